"""What is said about a recording's samples, from every layer, every gap and every event, in one list.

Formats that have room for a text at a sample (WFDB annotations, EDF+ annotations) write each statement as

    activity "stairs up" by protocol

that is its kind, its value as a JSON string, and the layer it stands in. A long value becomes several such texts at the
same place, each with its number: ``note "…" by anna (2/3)``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curate.labels.layers import PROTOCOL, open_layers, protocol_labels

if TYPE_CHECKING:
    from acquire.recordings.recording import Recording
    from acquire.study import Study

__all__ = ["EVENT", "GAP", "MAX_TEXT_BYTES", "Statement", "collect_statements", "statement_texts"]

GAP = "gap"
EVENT = "event"
MAX_TEXT_BYTES = 240
"""An annotation of WFDB has room for 255 bytes; what a format adds needs some of them."""

_ROOM_FOR_NUMBER = len(" (9999/9999)")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Something said about the samples ``[start, stop)``.

    Attributes:
        start: first sample.
        stop: one past the last sample; ``start`` for an event, which has no length.
        kind: a label's kind, ``gap`` or ``event``.
        value: the label's value, the gap's cause, or the event's kind and text.
        layer: whose label it is; "" for what the recording itself says.
        uuid: the label's or the event's; "" for a gap.
        time: when the label was made, UTC, ISO 8601; "" for what the recording itself says.
    """

    start: int
    stop: int
    kind: str
    value: str
    layer: str = ""
    uuid: str = ""
    time: str = ""


def collect_statements(
    study: Study, recording: Recording, *, only: Sequence[str] | None = None
) -> tuple[tuple[str, ...], tuple[Statement, ...]]:
    """Gather everything that is said about a recording.

    The protocol's layer is made from the recording's events where nobody has written it yet.

    Args:
        study: the study.
        recording: the open recording.
        only: take only these layers.

    Returns:
        The layers that say something, by name, and the statements in order of their samples.

    Raises:
        LayerError: a layer is damaged, another recording's, or reaches past the end.
    """
    labels = {layer.annotator: layer.labels() for layer in open_layers(study, recording, only=only)}
    if PROTOCOL not in labels and (only is None or PROTOCOL in only):
        labels[PROTOCOL] = protocol_labels(recording)
    statements = [
        Statement(
            start=label.start,
            stop=label.stop,
            kind=label.kind,
            value=label.value,
            layer=layer,
            uuid=label.uuid,
            time=label.time,
        )
        for layer, held in labels.items()
        for label in held
    ]
    statements += [
        Statement(start=gap.start, stop=gap.start + gap.length, kind=GAP, value=gap.cause) for gap in recording.gaps
    ]
    statements += [
        Statement(
            start=event.index,
            stop=event.index,
            kind=EVENT,
            value=f"{event.kind}: {event.text}" if event.text else event.kind,
            uuid=event.uuid,
        )
        for event in recording.events
    ]
    statements.sort(key=lambda said: (said.start, said.stop, said.layer, said.kind))
    return tuple(sorted(layer for layer, held in labels.items() if held)), tuple(statements)


def statement_texts(statement: Statement, *, ascii_only: bool, extra: str = "") -> list[str]:
    r"""Write a statement as text, in as many pieces as it needs.

    Control characters, quotation marks and backslashes of the value are escaped as in JSON.

    Args:
        statement: what is said.
        ascii_only: escape everything beyond ASCII too, as ``\u00e9``.
        extra: what else is to stand behind it.

    Returns:
        Texts of at most ``MAX_TEXT_BYTES`` bytes of UTF-8.
    """
    by = (f" by {statement.layer}" if statement.layer else "") + extra
    if not statement.value:
        return [statement.kind + by]

    def text(value: str, number: str) -> str:
        return f"{statement.kind} {_quoted(value, ascii_only=ascii_only)}{by}{number}"

    whole = text(statement.value, "")
    if len(whole.encode()) <= MAX_TEXT_BYTES:
        return [whole]
    room = MAX_TEXT_BYTES - len(text("", "").encode()) - _ROOM_FOR_NUMBER
    pieces = _pieces(statement.value, room, ascii_only=ascii_only)
    return [text(piece, f" ({number}/{len(pieces)})") for number, piece in enumerate(pieces, start=1)]


def _quoted(value: str, *, ascii_only: bool) -> str:
    # The delete character is no control character to JSON, but it is one to EDF+.
    return json.dumps(value, ensure_ascii=ascii_only).replace("\x7f", "\\u007f")


def _pieces(value: str, room: int, *, ascii_only: bool) -> list[str]:
    """Cut a value so that each piece, written out, has at most ``room`` bytes between its quotation marks."""
    pieces: list[str] = []
    begun, used = 0, 0
    for place, character in enumerate(value):
        size = len(_quoted(character, ascii_only=ascii_only).encode()) - 2
        if used + size > room:
            pieces.append(value[begun:place])
            begun, used = place, 0
        used += size
    return [*pieces, value[begun:]]
