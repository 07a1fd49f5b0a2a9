"""Protocol scripts: the TOML files that say what a subject does, step by step.

Everything in a script comes from outside, so everything is checked here, and a broken script is refused with the file,
the step and the value. What is read once is frozen.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols.activities import ACTIVITIES
from protocols.errors import ScriptInvalid, ScriptNotFound, ScriptUnreadable, UnreadableReason
from protocols.script_words import complaint

__all__ = [
    "MAX_DURATION_S",
    "MAX_PLANNED_STEPS",
    "MAX_SCRIPT_BYTES",
    "LoadedScript",
    "PlannedStep",
    "Script",
    "Step",
    "load_script",
    "parse_script",
    "shipped_scripts",
]

MAX_DURATION_S = 24 * 3600.0
MAX_PLANNED_STEPS = 10_000
MAX_SCRIPT_BYTES = 256 * 1024

ActivityName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
# One line that can be shown on any terminal: something visible in it, and no control characters.
Line = Annotated[
    str,
    Field(
        min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    ),
]
Prose = Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$")]
Seconds = Annotated[float, Field(le=MAX_DURATION_S, allow_inf_nan=False)]

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)


class Step(BaseModel):
    """One step of a script.

    Attributes:
        activity: what the subject does; a name of the vocabulary, or one the script defines.
        instruction: what the subject is told.
        duration_s: how long one repetition lasts.
        repeat: how often it is done.
        rest_s: pause after each repetition, which gets no label; none follows the very last step of a script.
        cue: how the start of the step is announced.
        tags: free words for the study's own use.
    """

    model_config = _STRICT

    activity: ActivityName
    instruction: Line
    duration_s: Annotated[Seconds, Field(gt=0)]
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    rest_s: Annotated[Seconds, Field(ge=0)] = 0.0
    cue: Literal["beep", "voice", "none"] = "beep"
    tags: Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")], ...], Field(strict=False)] = ()


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One entry of a plan, with repeats and rests unrolled.

    Attributes:
        position: 0-based place in the plan.
        step: 1-based number of the script's step it comes from.
        activity: the step's activity, or "" for a rest between repetitions.
        instruction: what the subject is told.
        duration_s: how long it lasts.
        is_rest: whether it is a rest between repetitions.
        repetition: 1-based number of the repetition, out of ``of``.
        of: how many repetitions the step has.
    """

    position: int
    step: int
    activity: str
    instruction: str
    duration_s: float
    is_rest: bool
    repetition: int
    of: int


class Script(BaseModel):
    """What a protocol script says.

    Attributes:
        title: one line for menus and reports.
        purpose: what the protocol is for.
        steps: in the order in which they are done.
        notes: anything its users should know.
        activities: name → definition of activities that the common vocabulary lacks.
    """

    model_config = _STRICT

    title: Annotated[Line, Field(max_length=120)]
    purpose: Prose = ""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=500, strict=False)]
    notes: Prose = ""
    activities: dict[ActivityName, Line] = {}

    def plan(self) -> tuple[PlannedStep, ...]:
        """Unroll repeats and rests into the order in which things happen."""
        planned: list[PlannedStep] = []
        for number, step in enumerate(self.steps, start=1):
            for repetition in range(1, step.repeat + 1):
                planned.append(
                    PlannedStep(
                        position=len(planned),
                        step=number,
                        activity=step.activity,
                        instruction=step.instruction,
                        duration_s=step.duration_s,
                        is_rest=False,
                        repetition=repetition,
                        of=step.repeat,
                    )
                )
                last = number == len(self.steps) and repetition == step.repeat
                if step.rest_s > 0 and not last:
                    planned.append(
                        PlannedStep(
                            position=len(planned),
                            step=number,
                            activity="",
                            instruction="Rest.",
                            duration_s=step.rest_s,
                            is_rest=True,
                            repetition=repetition,
                            of=step.repeat,
                        )
                    )
        return tuple(planned)

    @property
    def total_s(self) -> float:
        """How long the protocol takes if nobody intervenes."""
        return sum(planned.duration_s for planned in self.plan())


@dataclass(frozen=True, kw_only=True)
class LoadedScript:
    """A script together with the text it was read from.

    Attributes:
        script: what the text says.
        name: the shipped name, or the file name without ``.toml``.
        text: the TOML text, unchanged; it goes into every recording.
        sha256: hex digest of the text in UTF-8.
    """

    script: Script
    name: str
    text: str
    sha256: str


def shipped_scripts() -> list[str]:
    """Names of the scripts that come with trilead, sorted."""
    folder = resources.files("protocols").joinpath("scripts")
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_script(source: str | Path) -> LoadedScript:
    """Read a script.

    Args:
        source: the name of a shipped script, or a path that ends in ``.toml``.

    Raises:
        ScriptNotFound: no shipped script has this name.
        ScriptUnreadable: the file is missing, too large, or not text.
        ScriptInvalid: the text breaks the schema.
    """
    if isinstance(source, Path) or source.endswith(".toml"):
        path = Path(source)
        return parse_script(_read_text(path), name=path.stem, path=path)
    known = shipped_scripts()
    if source not in known:
        close = difflib.get_close_matches(source, known, n=2)
        raise ScriptNotFound(source, known=tuple(known), close=tuple(close))
    text = resources.files("protocols").joinpath("scripts", f"{source}.toml").read_text(encoding="utf-8")
    return parse_script(text, name=source)


def parse_script(text: str, *, name: str, path: Path | None = None) -> LoadedScript:
    """Check a script's text.

    Args:
        text: TOML.
        name: what the script is called; also where an error is said to be if there is no path.
        path: the file the text came from.

    Raises:
        ScriptInvalid: the text breaks the schema.
    """
    where = str(path) if path is not None else name
    try:
        data = text.encode()
        if len(data) > MAX_SCRIPT_BYTES:
            limit = f"{MAX_SCRIPT_BYTES // 1024} KiB"
            raise ScriptInvalid(
                f"its text has {len(data) // 1024} KiB; {limit} is the most, so shorten it.", where=where
            )
        table = tomllib.loads(text)
    except ValueError as error:
        # Besides TOML's own error: a number too long to convert, or text that no UTF-8 can hold.
        detail = str(error).rstrip(".")
        raise ScriptInvalid(f"this is not TOML ({detail}); mend the text or take a fresh copy.", where=where) from error
    except RecursionError as error:
        raise ScriptInvalid(
            "its tables or lists are nested too deeply; a script needs two levels.", where=where
        ) from error
    try:
        script = Script.model_validate(table)
    except ValidationError as error:
        found = complaint(error, {"": Script, "steps": Step})
        raise ScriptInvalid(
            found.sentence, where=where, step=found.step, field=found.field, value=found.value
        ) from error
    _check_activities(script, where)
    _check_length(script, where)
    return LoadedScript(script=script, name=name, text=text, sha256=hashlib.sha256(data).hexdigest())


def _read_text(path: Path) -> str:
    shown = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SCRIPT_BYTES + 1)
    except FileNotFoundError as error:
        raise ScriptUnreadable(
            shown, UnreadableReason.MISSING, mend=f"shipped scripts are {', '.join(shipped_scripts())}."
        ) from error
    except IsADirectoryError as error:
        raise ScriptUnreadable(shown, UnreadableReason.FOLDER, mend="name the .toml file inside it.") from error
    except (OSError, ValueError) as error:
        # ValueError: a null byte in the name.
        mend = "check its name and permissions."
        raise ScriptUnreadable(shown, UnreadableReason.REFUSED, mend=mend) from error
    if len(data) > MAX_SCRIPT_BYTES:
        mend = f"a script may have {MAX_SCRIPT_BYTES // 1024} KiB."
        raise ScriptUnreadable(shown, UnreadableReason.TOO_LARGE, mend=mend)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mend = f"byte {error.start} is {data[error.start]:#04x}: save it as UTF-8."
        raise ScriptUnreadable(shown, UnreadableReason.NOT_TEXT, mend=mend) from error


def _check_activities(script: Script, where: str) -> None:
    for name in script.activities:
        if name in ACTIVITIES:
            raise ScriptInvalid(
                f"[activities] defines {name!r}, which the vocabulary defines already; take another name.",
                where=where,
                field="activities",
                value=name,
            )
    known = {*ACTIVITIES, *script.activities}
    for number, step in enumerate(script.steps, start=1):
        if step.activity not in known:
            close = difflib.get_close_matches(step.activity, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known))}."
            mend = "Otherwise define it in an [activities] table."
            raise ScriptInvalid(
                f"activity is {step.activity!r}, which nobody has defined; {hint} {mend}",
                where=where,
                step=number,
                field="activity",
                value=step.activity,
            )


def _check_length(script: Script, where: str) -> None:
    # Counted without unrolling: the point is to refuse a script whose plan would be too long to unroll.
    entries = sum(step.repeat * (2 if step.rest_s > 0 else 1) for step in script.steps)
    if entries > MAX_PLANNED_STEPS:
        raise ScriptInvalid(
            f"repeats and rests unroll to {entries} entries; {MAX_PLANNED_STEPS} is the most, so lower repeat.",
            where=where,
            field="repeat",
            value=entries,
        )
    if script.total_s > MAX_DURATION_S:
        raise ScriptInvalid(
            f"the whole protocol takes {script.total_s:g} s; {MAX_DURATION_S:g} s (24 h) is the most.",
            where=where,
            field="duration_s",
            value=script.total_s,
        )
