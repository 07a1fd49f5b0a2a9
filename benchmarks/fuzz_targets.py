"""What is fuzzed, and what must hold: each target takes any bytes and raises `Finding` where a promise is broken.

More than "does not crash" is asked. A target makes a sound stream, damages it as a link would, and compares with what
was sent: nothing wrong may be accepted, and no more may be lost than the damage explains. For bytes that mean nothing
it asks that the cuts make no difference, that memory is bounded and that no byte is unaccounted for.

The tests run the same targets under hypothesis; ``benchmarks.fuzz`` runs them under a coverage-guided fuzzer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from benchmarks.fuzz_choices import Choices, Damage, Finding, held_bytes, is_subsequence
from benchmarks.fuzz_cyton import cyton
from benchmarks.fuzz_journal import journal

__all__ = ["TARGETS", "WATCHED"]

WATCHED = (
    "acquire.boards.cyton_frames",
    "acquire.boards.unwrap",
    "acquire.boards.line_parser",
    "acquire.boards.protocentral_frames",
    "acquire.boards.sim",
    "acquire.boards.lines",
    "acquire.boards.protocentral",
    "acquire.boards.replay",
    "acquire.boards.lsl",
    "acquire.recordings.journal",
    "acquire.recordings.finish",
)
"""Modules whose coverage guides the fuzzer."""


def lines(data: bytes) -> None:
    """Decimal lines: `acquire.boards.line_parser`."""
    choices = Choices(data)
    if choices.flag():
        _any_lines(choices)
    else:
        _damaged_lines(choices)


def _any_lines(choices: Choices) -> None:
    from acquire.boards.line_parser import MAX_LINE, LineParser

    columns = choices.one_of((None, 1, 2, 5))
    whole = choices.one_of((None, True, False))
    limits = choices.one_of((None, (0.0, 4095.0)))
    plan = choices.take(12)
    data = choices.rest()
    parser = LineParser(columns=columns, whole=whole, limits=limits)
    items = []
    for piece in Choices(plan).cut(data):
        items.extend(parser.feed(piece))
        if held_bytes(parser) > MAX_LINE:
            raise Finding(f"{held_bytes(parser)} bytes are held of a line")
    at_once = LineParser(columns=columns, whole=whole, limits=limits).feed(data)
    if items != at_once:
        raise Finding(f"cut, {data!r} gives {items}, and at once {at_once}")
    ended = data.replace(b"\r", b"\n").split(b"\n")[1:-1]
    spoken = [line for line in ended if line]
    if len(items) != len(spoken):
        raise Finding(f"{len(spoken)} lines gave {len(items)} items: {data!r}")
    for line, item in zip(spoken, items, strict=True):
        if isinstance(item, tuple):
            words = line.translate(bytes.maketrans(b"\t,;", b"   ")).split()
            if [float(word) for word in words] != list(item):
                raise Finding(f"{line!r} was read as {item}")
            if columns not in (None, len(item)):
                raise Finding(f"{line!r} was read as {len(item)} columns")
            if not (limits is None or all(limits[0] <= number <= limits[1] for number in item)):
                raise Finding(f"{line!r} was read as {item}, beyond the limits")


def _damaged_lines(choices: Choices) -> None:
    from acquire.boards.line_parser import LineParser

    columns = choices.between(1, 4)
    decimals = choices.one_of((0, 2))
    between = choices.one_of((b" ", b",", b"\t", b"; ", b", "))
    end = choices.one_of((b"\n", b"\r\n", b"\r"))
    n_rows = choices.between(2, 30)
    plan = choices.take(12)
    rows = [tuple(_decimal(choices, decimals) for _ in range(columns)) for _ in range(n_rows)]
    texts = [between.join(b"%.*f" % (decimals, number) for number in row) + end for row in rows]
    hit: set[int] = set()
    damages = []
    at = 0
    for place, text in enumerate(texts):
        # Two hits on neighbours could mend each other, which no checksum-free line could show.
        if place and hit.isdisjoint((place, place - 1)) and choices.below(4) == 1:
            kind = choices.below(3)
            if kind == 0:
                damages.append(Damage(at + choices.below(len(text) - len(end) + 1), 0, choices.one_of(_NO_NUMBERS)))
                hit.add(place)
            elif kind == 1 and columns > 1:
                damages.append(Damage(at + text.index(between), len(between), b""))
                hit.add(place)
            elif columns > 1:
                damages.append(Damage(at + len(text) - len(end), len(end), b""))
                hit |= {place, place + 1}
        at += len(text)
    stream = Damage.all_done(b"".join(texts), damages)
    parser = LineParser(columns=columns, whole=decimals == 0)
    items = [item for piece in Choices(plan).cut(stream) for item in parser.feed(piece)]
    right = [row for place, row in enumerate(rows) if place and place not in hit]
    got = [item for item in items if isinstance(item, tuple)]
    if n_rows - 1 in hit:
        right = right[: len(got)] if len(got) >= len(right) else right
    if got != right:
        raise Finding(f"{stream!r} gave {got}, and {right} was sent")


_NO_NUMBERS = (b"\x00", b"\xff", b"x", b"e5", b"nan", b"'", b"\x1b[", b"+-", b"..")


def _decimal(choices: Choices, decimals: int) -> int | float:
    number = choices.below(1 << 24) - (1 << 23)
    return number / 10**decimals if decimals else number


def protocentral(data: bytes) -> None:
    """ProtoCentral frames: `acquire.boards.protocentral_frames`."""
    choices = Choices(data)
    if choices.flag():
        _any_frames(choices)
    else:
        _damaged_frames(choices)


def _any_frames(choices: Choices) -> None:
    from acquire.boards.protocentral_frames import FrameParser, build_frame

    lengths, layout = choices.one_of((((12,), "3i"), ((6, 9, 19), "2h")))
    plan = choices.take(12)
    data = b""
    while choices.left:
        data += build_frame(choices.take(choices.one_of(lengths))) if choices.flag() else choices.take(choices.below(9))
    parser = FrameParser(lengths, layout)
    items = []
    for piece in Choices(plan).cut(data):
        items.extend(parser.feed(piece))
        if held_bytes(parser) > 2 * (max(lengths) + 7) + len(piece):
            raise Finding("a frame is held that has long ended")
    whole = FrameParser(lengths, layout)
    at_once = whole.feed(data)
    if items != at_once:
        raise Finding(f"cut, {data!r} gives {items}, and at once {at_once}")
    rows = [item for item in items if isinstance(item, tuple)]
    if len(rows) != parser.good_frames:
        raise Finding(f"{parser.good_frames} good frames gave {len(rows)} rows")
    accounted = parser.bad_bytes + parser.good_frames * (parser.length + 7) + held_bytes(parser)
    if accounted != len(data):
        raise Finding(f"{accounted} of {len(data)} bytes are accounted for: {data!r}")
    size = struct.calcsize("<" + layout)
    stored = [data[at + 5 : at + 5 + size] for at in range(len(data)) if data[at : at + 2] == b"\x0a\xfa"]
    if not (is_subsequence([struct.pack("<" + layout, *row) for row in rows], stored)):
        raise Finding(f"{rows} do not stand in {data!r}")


def _damaged_frames(choices: Choices) -> None:
    from acquire.boards.protocentral_frames import FrameParser, build_frame

    three_leads = choices.flag()
    layout, lengths, length = ("3i", (12,), 12) if three_leads else ("2h", (6, 9, 19), choices.one_of((6, 9, 19)))
    n_frames = choices.between(4, 40)
    plan = choices.take(12)
    payloads = [_payload(choices, three_leads=three_leads, length=length) for _ in range(n_frames)]
    rows = [struct.unpack_from("<" + layout, payload) for payload in payloads]
    size = length + 7
    damages: list[Damage] = []
    in_place = choices.flag()
    frame = choices.between(2, 5)
    while frame < n_frames - 2 and choices.left:
        damages.append(_framing_damage(choices, frame * size, size, in_place=in_place))
        # A frame is left sound between two damages: two that mend each other look like another sample.
        frame += choices.between(2, 9)
    stream = Damage.all_done(b"".join(build_frame(payload) for payload in payloads), damages)
    parser = FrameParser(lengths, layout)
    items = [item for piece in Choices(plan).cut(stream) for item in parser.feed(piece)]
    got = [item for item in items if isinstance(item, tuple)]

    def told() -> str:
        return f"{damages} gave {items}, and {rows} was sent: {stream.hex()}"

    if not is_subsequence(got, rows):
        raise Finding(f"a wrong sample was accepted: {told()}")
    lost = len(rows) - len(got)
    if lost > 2 * len(damages) + 1:
        raise Finding(f"{len(damages)} damages lost {lost} samples: {told()}")
    if in_place:
        for place, item in enumerate(items):
            if not isinstance(item, str) and item != rows[place]:
                raise Finding(f"sample {place} moved: {told()}")


def _payload(choices: Choices, *, three_leads: bool, length: int) -> bytes:
    """What the chip can send: 24-bit numbers in 32 bits, or words of 16 bits and a few bytes."""
    if three_leads:
        return struct.pack("<3i", *(choices.below(1 << 24) - (1 << 23) for _ in range(3)))
    payload = struct.pack("<2h", *(choices.below(1 << 16) - (1 << 15) for _ in range(2)))
    return (payload + choices.take(length - 4)).ljust(length, b"\0")


def _framing_damage(choices: Choices, start: int, size: int, *, in_place: bool) -> Damage:
    """Damage to a frame that its framing must show."""
    framing = choices.one_of((0, 1, 2, 3, 4, size - 2, size - 1))
    kind = 0 if in_place else choices.below(4)
    if kind == 0:
        sound = (b"\x0a\xfa" + struct.pack("<H", size - 7) + b"\x02\x00\x0b")[
            framing if framing < 5 else framing - size
        ]
        return Damage(start + framing, 1, bytes([sound ^ choices.between(1, 255)]))
    if kind == 1:
        return Damage(start + choices.below(size), choices.between(1, 4), b"")
    if kind == 2:
        return Damage(start + choices.below(size), 0, choices.take(1) or b"\0")
    return Damage(start, 0, choices.take(choices.between(1, 4)) or b"\0")


_LONGEST_MESSAGE = 2000


def address(data: bytes) -> None:
    """Board addresses: whatever is typed, a board or one sentence comes of it."""
    from acquire.boards.board import BOARD_KINDS, open_board
    from acquire.errors import BoardError

    choices = Choices(data)
    scheme = choices.one_of(("", *sorted(BOARD_KINDS)))
    text = choices.rest().decode("utf-8", errors="surrogateescape")
    try:
        open_board(f"{scheme}:{text}" if scheme else text, subject="S01", session="01", mains_hz=50)
    except BoardError as error:
        said = str(error)
        if not said.isprintable() or len(said) > _LONGEST_MESSAGE:
            raise Finding(f"the message {said[:200]!r} cannot be shown") from error


TARGETS: dict[str, Callable[[bytes], None]] = {
    "address": address,
    "cyton": cyton,
    "journal": journal,
    "lines": lines,
    "protocentral": protocentral,
}
"""Name → what is run with each input."""
