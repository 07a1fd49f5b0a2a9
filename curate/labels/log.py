"""The log under a layer: its lines, the state that replaying them leaves, and appending one so that it lasts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acquire.files import TEMPORARY_PREFIX, try_hold
from curate.errors import LayerError
from curate.labels.label import Label, check_annotator, check_label, check_origin, is_uuid

__all__ = [
    "FORMAT",
    "VERSION",
    "LayerLog",
    "append_bytes",
    "check_header",
    "dump",
    "label_fields",
    "layer_files",
    "parse",
    "read_bytes",
]

FORMAT = "trilead-layer"
VERSION = 1
MAX_FILE_BYTES = 256 * 1024 * 1024

_FIELDS = ("uuid", "start", "stop", "kind", "value", "time")
_ORIGIN = "origin"


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One line of the log: labels that go and labels that come, together or not at all."""

    uuid: str
    remove: tuple[Label, ...]
    add: tuple[Label, ...]


@dataclass(frozen=True, kw_only=True)
class CheckedLine:
    """A line that was checked against the state, so that carrying it out cannot fail."""

    word: str
    edit: Edit


class LayerLog:
    """The state of a layer: which labels hold, what can be undone and what redone.

    A line is first checked against the state (``check``) and then carried out (``apply``); between the two it is
    written.

    Attributes:
        path: the file, for messages.
        annotator: whose lines these must be.
        state: uuid → label that holds now.
        done: edits that hold, oldest first.
        undone: edits that can be redone, next one last.
    """

    def __init__(self, path: Path, annotator: str) -> None:
        self.path = path
        self.annotator = annotator
        self.state: dict[str, Label] = {}
        self.done: list[Edit] = []
        self.undone: list[Edit] = []

    def check(self, line: dict[str, Any], *, number: int | None = None) -> CheckedLine:
        """Check a line against the state.

        Args:
            line: as parsed.
            number: its place in the file, for the message; None for one that is being made.

        Raises:
            LayerError: it breaks a rule; the state is as it was.
        """
        problem = check_origin(line.get("annotator"), line.get("time"))
        if problem is None and line.get("annotator") != self.annotator:
            problem = f"the line is by {line['annotator']!r}; this layer is {self.annotator!r}'s"
        if problem is not None:
            raise LayerError(f"{problem}.", path=self.path, line=number)
        words = [word for word in ("edit", "undo", "redo") if word in line]
        if len(words) != 1:
            raise LayerError("the line is not one of an edit, an undo and a redo.", path=self.path, line=number)
        word = words[0]
        if word == "edit":
            return CheckedLine(word=word, edit=self._read_edit(line, number))
        stack = self.done if word == "undo" else self.undone
        if not stack or stack[-1].uuid != line[word]:
            raise LayerError(
                f"{word} names edit {str(line[word])[:60]!r}, which is not the one to {word} here.",
                path=self.path,
                line=number,
            )
        return CheckedLine(word=word, edit=stack[-1])

    def apply(self, line: CheckedLine) -> None:
        """Carry out a line that was checked against the present state."""
        edit, forward = line.edit, line.word != "undo"
        for label in edit.remove if forward else edit.add:
            del self.state[label.uuid]
        for label in edit.add if forward else edit.remove:
            self.state[label.uuid] = label
        if line.word == "edit":
            self.undone.clear()
        else:
            (self.undone if forward else self.done).pop()
        (self.done if forward else self.undone).append(edit)

    def _read_edit(self, line: dict[str, Any], number: int | None) -> Edit:
        if not is_uuid(line["edit"]):
            raise LayerError(f"edit is {str(line['edit'])[:60]!r}; it must be a UUID.", path=self.path, line=number)
        remove = self._read_labels(line, "remove", number)
        add = self._read_labels(line, "add", number)
        gone: set[str] = set()
        for label in remove:
            if label.uuid in gone or self.state.get(label.uuid) != label:
                raise LayerError(
                    f"label {label.uuid} is removed but does not stand so here.", path=self.path, line=number
                )
            gone.add(label.uuid)
        new: set[str] = set()
        for label in add:
            if label.uuid in new or (label.uuid in self.state and label.uuid not in gone):
                raise LayerError(f"label {label.uuid} is added but stands here already.", path=self.path, line=number)
            new.add(label.uuid)
        return Edit(uuid=line["edit"], remove=remove, add=add)

    def _read_labels(self, line: dict[str, Any], key: str, number: int | None) -> tuple[Label, ...]:
        entries = line.get(key)
        if not isinstance(entries, list):
            raise LayerError(f"{key} must be a list of labels.", path=self.path, line=number)
        labels = []
        for entry in entries:
            if not isinstance(entry, dict) or set(entry) - {_ORIGIN} != set(_FIELDS):
                raise LayerError(
                    f"a label under {key} must have exactly {', '.join(_FIELDS)}, and may have {_ORIGIN}.",
                    path=self.path,
                    line=number,
                )
            label = Label(annotator=self.annotator, **entry)
            problem = check_label(label)
            if problem is not None:
                raise LayerError(f"{problem}.", path=self.path, line=number)
            labels.append(label)
        return tuple(labels)


def layer_files(folder: Path) -> list[Path]:
    """The layers in a recording's folder by name, without what a crash left of one that was being created."""
    files = folder.glob("*.jsonl") if folder.is_dir() else ()
    return sorted(file for file in files if not file.name.startswith(TEMPORARY_PREFIX))


def label_fields(label: Label) -> dict[str, Any]:
    """A label as it stands in a line; its annotator is the line's, and an origin stands there where it has one."""
    fields = {name: getattr(label, name) for name in _FIELDS}
    return {**fields, _ORIGIN: label.origin} if label.origin else fields


def dump(line: dict[str, Any]) -> bytes:
    """One line of the log, newline included."""
    return json.dumps(line, ensure_ascii=False).encode("utf-8") + b"\n"


def parse(path: Path, number: int, text: bytes) -> dict[str, Any]:
    """Read one line of the log.

    Raises:
        LayerError: it is not a JSON object.
    """
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise LayerError(f"the line is not valid JSON ({reason}).", path=path, line=number) from error
    if not isinstance(line, dict):
        raise LayerError("the line must be a JSON object.", path=path, line=number)
    return line


def check_header(path: Path, recording_id: object, annotator: object, *, line: int | None = None) -> tuple[str, str]:
    """Check what the first line says, and give it back typed.

    Raises:
        LayerError: the recording's id is not a UUID, or the annotator's name cannot be a file's.
    """
    if not isinstance(recording_id, str) or not is_uuid(recording_id):
        raise LayerError(f"recording_id is {str(recording_id)[:60]!r}; it must be a UUID.", path=path, line=line)
    problem = check_annotator(annotator)
    if problem is not None:
        raise LayerError(f"{problem}.", path=path, line=line)
    assert isinstance(annotator, str)
    return recording_id, annotator


def read_bytes(path: Path) -> bytes:
    """Read a layer file whole.

    Raises:
        LayerError: it cannot be read, or is far larger than any layer.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise LayerError(f"the file has {size} bytes; a layer has at most {MAX_FILE_BYTES}.", path=path)
        return path.read_bytes()
    except OSError as error:
        raise LayerError(f"the layer cannot be read: {error.strerror or error}.", path=path) from error


def append_bytes(path: Path, data: bytes, *, expected: int, keep: int) -> None:
    """Append to a layer file, durably, after cutting off what a crash left of a last line.

    The file is locked from looking at its length to the end of writing, so that of two programs that append at the same
    moment one is refused.

    Args:
        path: the file.
        data: what comes.
        expected: how long the file must be now.
        keep: how much of it stays.

    Raises:
        LayerError: the file was changed meanwhile, is being written by another program, or cannot be written; the lines
            that were there still are.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise LayerError(f"the layer cannot be written: {error.strerror or error}.", path=path) from error
    try:
        if not try_hold(handle):
            raise LayerError("another program is writing to the layer at this moment; try again.", path=path)
        if os.fstat(handle).st_size != expected:
            raise LayerError("the file was changed by another program since it was read; open it again.", path=path)
        try:
            if keep != expected:
                os.ftruncate(handle, keep)
            _write_all(handle, data)
            os.fsync(handle)
        except OSError as error:
            os.ftruncate(handle, keep)
            raise LayerError(f"the layer cannot be written: {error.strerror or error}.", path=path) from error
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        # A full disk shows as a short count before it shows as an error.
        view = view[os.write(handle, view) :]
