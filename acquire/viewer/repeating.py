"""A protocol of some steps of another, for what has to be recorded once more."""

from __future__ import annotations

import re
from collections.abc import Collection

from acquire.study import toml_string
from protocols.script import LoadedScript, PlannedStep, Script, Step, parse_script

__all__ = ["script_of_steps"]

_MAX_TITLE = 120
_AGAIN = re.compile(r" \(\d+ steps? again\)$")


def script_of_steps(script: LoadedScript, positions: Collection[int]) -> LoadedScript:
    """Make a script of some steps of a script; it says in its title that it repeats them.

    Args:
        script: what was recorded.
        positions: places in its plan, 0-based, none of them a rest; in any order, they are played in the plan's.

    Raises:
        ValueError: a position is no step of the plan, or there is none at all.
    """
    plan = script.script.plan()
    steps = {entry.position: entry for entry in plan if not entry.is_rest}
    if not positions or not steps.keys() >= set(positions):
        raise ValueError(
            f"the positions {sorted(positions)[:20]} are not all steps of {script.name}, or there are none"
        )
    chosen = [steps[position] for position in sorted(set(positions))]
    name = f"{script.name.removesuffix('-again')}-again"
    return parse_script(_text(script.script, chosen), name=name)


def _text(script: Script, chosen: list[PlannedStep]) -> str:
    again = f" ({len(chosen)} step{'s' if len(chosen) > 1 else ''} again)"
    title = _AGAIN.sub("", script.title)[: _MAX_TITLE - len(again)] + again
    lines = [f"title = {toml_string(title)}"]
    if script.purpose:
        lines.append(f"purpose = {toml_string(script.purpose)}")
    runs: list[list[PlannedStep]] = []
    for entry in chosen:
        if runs and runs[-1][0].step == entry.step:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    for run in runs:
        lines += ["", "[[steps]]", *_step(script.steps[run[0].step - 1], repeat=len(run))]
    names = {entry.activity for entry in chosen}
    own = {name: meaning for name, meaning in script.activities.items() if name in names}
    if own:
        lines += ["", "[activities]", *(f"{toml_string(name)} = {toml_string(own[name])}" for name in own)]
    return "\n".join(lines) + "\n"


def _step(step: Step, *, repeat: int) -> list[str]:
    return [
        f"activity = {toml_string(step.activity)}",
        f"instruction = {toml_string(step.instruction)}",
        f"duration_s = {step.duration_s!r}",
        f"repeat = {repeat}",
        f"rest_s = {step.rest_s!r}",
        f"cue = {toml_string(step.cue)}",
        f"tags = [{', '.join(map(toml_string, step.tags))}]",
    ]
