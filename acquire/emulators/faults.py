"""What may go wrong between a board and the computer, as data: each fault says at which sample it begins.

A device double carries them out on the bytes it hands over. They are numbered by the sample index since the double
first streamed, so a test knows beforehand which samples can come right, which cannot, and which come late.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "FORMS",
    "Burst",
    "CorruptByte",
    "DuplicateFrame",
    "ElectrodeOff",
    "Fault",
    "Garbage",
    "HangUp",
    "LostByte",
    "LostFrames",
    "PowerCycle",
    "Silence",
    "read_fault",
]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        at: the index of the first sample it befalls.
    """

    at: int

    def __post_init__(self) -> None:
        if self.at < 0:
            raise ValueError(f"a fault is at sample {self.at}; it must be 0 or later")
        samples = getattr(self, "samples", None)
        if samples is not None and samples < 1:
            raise ValueError(f"a fault at sample {self.at} lasts {samples} samples; it must last 1 or more")
        offset = getattr(self, "offset", 0)
        if offset < 0:
            raise ValueError(f"a fault at sample {self.at} is at byte {offset} of a frame; it must be 0 or later")


@dataclass(frozen=True, kw_only=True)
class Burst(Fault):
    """The bytes of ``samples`` samples are held back and then come all at once; none is lost."""

    samples: int


@dataclass(frozen=True, kw_only=True)
class LostByte(Fault):
    """The byte at ``offset`` of one frame never comes."""

    offset: int


@dataclass(frozen=True, kw_only=True)
class CorruptByte(Fault):
    """The byte at ``offset`` of one frame comes with the bits of ``flip`` turned over.

    A wire without a checksum shows this only where a framing byte is hit; in the payload it is a sample like any other.
    """

    offset: int
    flip: int = 0xFF

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.flip <= 0xFF:
            raise ValueError(f"the bits to turn over are {self.flip}; they must be 1 to 255")


@dataclass(frozen=True, kw_only=True)
class DuplicateFrame(Fault):
    """One frame comes twice."""


@dataclass(frozen=True, kw_only=True)
class Garbage(Fault):
    """Bytes that belong to nothing come before one frame."""

    data: bytes


@dataclass(frozen=True, kw_only=True)
class ElectrodeOff(Fault):
    """A board that can tell says for ``samples`` samples that an electrode is off, in place of their values."""

    samples: int


@dataclass(frozen=True, kw_only=True)
class LostFrames(Fault):
    """``samples`` whole frames never come, while the counter and the board's clock run on: the radio failed."""

    samples: int


@dataclass(frozen=True, kw_only=True)
class Silence(Fault):
    """Nothing comes, answers neither, for ``samples`` samples or for ever; the board itself runs on."""

    samples: int | None = None


@dataclass(frozen=True, kw_only=True)
class HangUp(Fault):
    """The port goes away and comes back as another one after ``samples`` samples or never; the board runs on."""

    samples: int | None = None


@dataclass(frozen=True, kw_only=True)
class PowerCycle(Fault):
    """The board is off for ``samples`` samples or for ever; then its counter, clock and settings start anew."""

    samples: int | None = None


_FORMS: dict[str, tuple[type[Fault], tuple[str, ...], int]] = {
    "burst": (Burst, ("samples",), 1),
    "lost-byte": (LostByte, ("offset",), 1),
    "corrupt-byte": (CorruptByte, ("offset", "flip"), 1),
    "duplicate-frame": (DuplicateFrame, (), 0),
    "garbage": (Garbage, ("data",), 1),
    "electrode-off": (ElectrodeOff, ("samples",), 1),
    "lost-frames": (LostFrames, ("samples",), 1),
    "silence": (Silence, ("samples",), 0),
    "hang-up": (HangUp, ("samples",), 0),
    "power-cycle": (PowerCycle, ("samples",), 0),
}
"""Name → (fault, its values in order, how many of them must be given)."""

FORMS = tuple(
    f"{name}:AT"
    + "".join(f":{value.upper()}" if place < needed else f"[:{value.upper()}]" for place, value in enumerate(values))
    for name, (_, values, needed) in _FORMS.items()
)
"""How each fault is written as text."""


def read_fault(text: str) -> Fault:
    """A fault from text such as ``lost-frames:1000:256``; ``garbage`` takes hexadecimal bytes.

    Raises:
        ValueError: the text says no fault; the message lists how they are written.
    """
    name, *given = text.split(":")
    kind, names, needed = _FORMS.get(name, (None, (), 0))
    if kind is None or not needed < len(given) <= len(names) + 1:
        raise ValueError(f"the fault {text[:60]!r} is none; write one of {', '.join(FORMS)}")
    values: dict[str, object] = {}
    for field, value in zip(("at", *names), given, strict=False):
        try:
            values[field] = bytes.fromhex(value) if field == "data" else int(value)
        except ValueError:
            raise ValueError(
                f"the fault {text[:60]!r} has {value[:20]!r} for {field.upper()}; it must be"
                f" {'hexadecimal bytes' if field == 'data' else 'a whole number'}"
            ) from None
    return kind(**values)  # type: ignore[arg-type]
