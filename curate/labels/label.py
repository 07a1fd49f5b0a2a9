"""A label: what somebody says about a range of samples, and the rules it keeps."""

from __future__ import annotations

import re
import uuid as uuid_module
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = [
    "ABSENT",
    "ANNOTATOR_NAME",
    "ARTEFACT_DEGREES",
    "DENIABLE_KINDS",
    "LABEL_KINDS",
    "Label",
    "check_annotator",
    "check_label",
    "check_origin",
    "is_uuid",
    "new_label",
    "now_utc",
]

ABSENT = "absent"
LABEL_KINDS = ("activity", "artefact", "unusable", "beat", "note", ABSENT)
DENIABLE_KINDS = ("activity", "artefact", "unusable", "beat")
"""What a label of kind ``absent`` may say is not there: its value is one of these."""
ARTEFACT_DEGREES = ("1", "2", "3", "4")

MAX_SAMPLE = 2**62
MAX_VALUE_CHARS = {"activity": 64, "artefact": 1, "unusable": 200, "beat": 16, "note": 4000, ABSENT: 8}
MAX_ORIGIN_CHARS = 1000

ANNOTATOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# A layer's file has its annotator's name, and to Windows these are devices, whatever the ending.
_DEVICE_NAME = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A statement about the samples ``[start, stop)`` of one recording.

    Attributes:
        uuid: the label's identity; a changed label keeps it.
        start: first sample index.
        stop: one past the last sample index.
        kind: one of ``LABEL_KINDS``.
        value: the activity's name, the artefact degree "1" (little or none) to "4", for ``absent`` the kind that is
            not there, or free text.
        annotator: whose layer it stands in.
        time: when it was made, UTC, ISO 8601.
        origin: what it was derived from, in words; "" for what somebody saw for themselves.
    """

    uuid: str
    start: int
    stop: int
    kind: str
    value: str
    annotator: str
    time: str
    origin: str = ""


def check_label(label: Label) -> str | None:
    """Say in words what is wrong with a label, or return None.

    Everything that enters a layer, from a program or from disk, passes here.
    """
    for name in ("uuid", "kind", "value", "annotator", "time", "origin"):
        if not isinstance(getattr(label, name), str):
            return f"{name} is {getattr(label, name)!r}; it must be text"
    if not is_uuid(label.uuid):
        return f"uuid is {label.uuid[:60]!r}; it must be a UUID"
    for name in ("start", "stop"):
        index = getattr(label, name)
        if not isinstance(index, int) or isinstance(index, bool):
            return f"{name} is {index!r}; it must be a whole number of samples"
    if not 0 <= label.start < label.stop <= MAX_SAMPLE:
        return f"the range is [{label.start}, {label.stop}); it must start at 0 or later and hold at least one sample"
    if label.kind not in LABEL_KINDS:
        return f"kind is {label.kind[:60]!r}; it must be one of {', '.join(LABEL_KINDS)}"
    return (
        _check_value(label.kind, label.value)
        or _check_derivation(label.origin)
        or check_origin(label.annotator, label.time)
    )


def _check_value(kind: str, value: str) -> str | None:
    if not _is_unicode(value):
        return "value holds half a character (a lone surrogate); it must be text that UTF-8 can hold"
    if len(value) > MAX_VALUE_CHARS[kind]:
        return f"value has {len(value)} characters; {kind} takes at most {MAX_VALUE_CHARS[kind]}"
    if kind == "artefact" and value not in ARTEFACT_DEGREES:
        return f"artefact degree is {value!r}; it must be one of {', '.join(ARTEFACT_DEGREES)}"
    if kind == "activity" and (not value or value != value.strip() or not value.isprintable()):
        return f"activity is {value!r}; it must be a name without line breaks or surrounding blanks"
    if kind == ABSENT and value not in DENIABLE_KINDS:
        return f"what is absent is {value!r}; it must be one of {', '.join(DENIABLE_KINDS)}"
    return None


def _check_derivation(origin: str) -> str | None:
    if not _is_unicode(origin):
        return "origin holds half a character (a lone surrogate); it must be text that UTF-8 can hold"
    if len(origin) > MAX_ORIGIN_CHARS:
        return f"origin has {len(origin)} characters; at most {MAX_ORIGIN_CHARS} are taken"
    return None


def check_annotator(annotator: object) -> str | None:
    """Say what is wrong with an annotator's name, which is also a file's, or return None."""
    if not isinstance(annotator, str) or not ANNOTATOR_NAME.fullmatch(annotator):
        return (
            f"annotator is {str(annotator)[:80]!r}; use 1 to 64 letters, digits, - or _, beginning with a letter or "
            "digit"
        )
    if _DEVICE_NAME.fullmatch(annotator):
        return f"annotator is {annotator!r}, which Windows takes for a device and no file; use another name"
    return None


def check_origin(annotator: object, time: object) -> str | None:
    """Say what is wrong with who made something when, or return None."""
    if not isinstance(annotator, str) or not isinstance(time, str):
        return "annotator and time must both be there, as text"
    problem = check_annotator(annotator)
    if problem is not None:
        return problem
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return f"time is {time[:60]!r}; it must be an ISO 8601 moment in UTC"
    if moment.utcoffset() != timedelta(0):
        return f"time is {time!r}; it must be in UTC, ending in Z or +00:00"
    return None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_uuid(text: object) -> bool:
    """Whether something is a UUID in its usual spelling."""
    if not isinstance(text, str) or len(text) != 36:
        return False
    try:
        return str(uuid_module.UUID(text)) == text.lower()
    except ValueError:
        return False


def now_utc() -> str:
    """The present moment as layers write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def new_label(
    start: int,
    stop: int,
    *,
    kind: str,
    value: str = "",
    annotator: str,
    time: str | None = None,
    uuid: str | None = None,
    origin: str = "",
) -> Label:
    """Make a label with a fresh identity and the present moment, unless they are given."""
    return Label(
        uuid=uuid or str(uuid_module.uuid4()),
        start=int(start),
        stop=int(stop),
        kind=kind,
        value=value,
        annotator=annotator,
        time=time or now_utc(),
        origin=origin,
    )
