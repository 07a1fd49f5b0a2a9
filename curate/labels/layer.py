"""Labels, and the layer: one annotator's labels of one recording, as an append-only log of edits.

A layer file is text, one JSON object a line. The first line says what it is; every later line is an edit, an undo or a
redo, and the labels that hold now are what a replay of all lines leaves. Nothing is ever rewritten: an undo is a line,
and so is the redo after it. A line counts once it is whole; what a crash left of a last line is ignored when reading
and cut off by the next append.

    {"format": "trilead-layer", "version": 1, "recording_id": "…", "annotator": "…"}
    {"edit": "uuid", "time": "…", "annotator": "…", "remove": [], "add": [{"uuid": "…", "start": 0, …}]}
    {"undo": "uuid of the edit", "time": "…", "annotator": "…"}
    {"redo": "uuid of the edit", "time": "…", "annotator": "…"}

``docs/labels.md`` tells the file field by field.
"""

from __future__ import annotations

import hashlib
import uuid as uuid_module
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from acquire.files import write_new
from curate.errors import LayerError
from curate.labels.label import ABSENT, ARTEFACT_DEGREES, LABEL_KINDS, Label, check_label, new_label, now_utc
from curate.labels.log import (
    FORMAT,
    VERSION,
    LayerLog,
    append_bytes,
    check_header,
    dump,
    label_fields,
    layer_files,
    parse,
    read_bytes,
)

__all__ = ["ABSENT", "ARTEFACT_DEGREES", "LABEL_KINDS", "Label", "Layer", "check_label", "new_label"]


class Layer:
    """One annotator's labels of one recording.

    Open or create it, read ``labels()``, and edit; each edit is on disk (fsync) before the call returns. A layer holds
    no open file, so it needs no closing. When the file was changed by another program since it was read, an edit is
    refused rather than mixed in.

    Attributes:
        path: the layer file.
        recording_id: the recording it belongs to.
        annotator: whose labels these are.
    """

    def __init__(self, path: Path, raw: bytes, *, recording_id: str | None = None) -> None:
        self.path = path
        whole = raw.rfind(b"\n") + 1
        lines = raw[:whole].split(b"\n")[:-1]
        if not lines:
            raise LayerError("the file is empty or cut within its first line; it is not a trilead layer.", path=path)
        head = parse(path, 1, lines[0])
        if head.get("format") != FORMAT:
            raise LayerError("the first line does not say that this is a trilead layer.", path=path, line=1)
        if head.get("version") != VERSION:
            raise LayerError(
                f"layer version is {str(head.get('version'))[:20]!r}; this trilead reads {VERSION}.", path=path, line=1
            )
        self.recording_id, self.annotator = check_header(path, head.get("recording_id"), head.get("annotator"), line=1)
        if recording_id is not None and self.recording_id != recording_id:
            raise LayerError(
                f"it labels recording {self.recording_id}, not {recording_id}; put it beside its own.",
                path=path,
                line=1,
            )
        self._log = LayerLog(path, self.annotator)
        for number, text in enumerate(lines[1:], start=2):
            self._log.apply(self._log.check(parse(path, number, text), number=number))
        self._mend = b""
        self._torn = self._torn_tail(len(lines) + 1, raw[whole:])
        self._keep = len(raw) - len(self._torn)
        self._digest = hashlib.sha256(raw[: self._keep])

    def _torn_tail(self, number: int, tail: bytes) -> bytes:
        """Accept an unterminated last line when it is whole (an editor may drop the newline); return it when torn."""
        if not tail:
            return b""
        try:
            self._log.apply(self._log.check(parse(self.path, number, tail), number=number))
        except LayerError:
            return tail
        self._mend = b"\n"
        return b""

    @property
    def torn_bytes(self) -> int:
        """How many bytes of an unfinished last line were ignored when the file was read."""
        return len(self._torn)

    @classmethod
    def create(cls, path: Path | str, recording_id: str, annotator: str) -> Self:
        """Create an empty layer file; its folder is made if need be.

        Raises:
            LayerError: the file exists already, a name is not usable, or the folder cannot be written.
        """
        path = Path(path)
        check_header(path, recording_id, annotator)
        head = dump({"format": FORMAT, "version": VERSION, "recording_id": recording_id, "annotator": annotator})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _refuse_twin(path, annotator)
            write_new(path, head)
        except FileExistsError:
            raise LayerError("the layer exists already; open it, or use another annotator's name.", path=path) from None
        except OSError as error:
            raise LayerError(
                f"the layer cannot be created: {error.strerror or error}; look at the study folder.", path=path
            ) from error
        return cls(path, head)

    @classmethod
    def open(cls, path: Path | str, *, recording_id: str | None = None) -> Self:
        """Read a layer file, checking every line.

        Args:
            path: the file.
            recording_id: when given, the layer must belong to this recording.

        Raises:
            LayerError: not a layer, newer than this program, another recording's, or a line that breaks a rule.
        """
        path = Path(path)
        return cls(path, read_bytes(path), recording_id=recording_id)

    # reading

    def labels(self, kind: str | None = None) -> list[Label]:
        """The labels that hold now, by start, then stop, then order of arrival; labels with equal ranges all stay."""
        chosen = (label for label in self._log.state.values() if kind is None or label.kind == kind)
        return sorted(chosen, key=lambda label: (label.start, label.stop))

    def sha256(self) -> str:
        """Digest of the file's bytes, for provenance.

        Raises:
            LayerError: the file changed since it was read, or cannot be read.
        """
        now = hashlib.sha256(read_bytes(self.path)).hexdigest()
        known = self._digest.copy()
        known.update(self._torn)
        if now != known.hexdigest():
            raise LayerError(
                "the file was changed by another program since it was read; open it again.", path=self.path
            )
        return now

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to undo."""
        return bool(self._log.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone edit to redo."""
        return bool(self._log.undone)

    # editing

    def add(
        self,
        start: int,
        stop: int,
        *,
        kind: str,
        value: str = "",
        uuid: str | None = None,
        time: str | None = None,
    ) -> Label:
        """Add one label and return it.

        Raises:
            LayerError: the label breaks a rule, or the file cannot be written; the layer is unchanged.
        """
        label = new_label(start, stop, kind=kind, value=value, annotator=self.annotator, uuid=uuid, time=time)
        self.edit(add=[label])
        return label

    def add_many(self, labels: Iterable[Label]) -> None:
        """Add labels as one edit: all or none, one fsync, one undo."""
        self.edit(add=list(labels))

    def remove(self, uuid: str) -> Label:
        """Remove a label and return it."""
        label = self._held(uuid)
        self.edit(remove=[label])
        return label

    def change(
        self,
        uuid: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        kind: str | None = None,
        value: str | None = None,
    ) -> Label:
        """Replace a label by one with other values and the same identity, as one edit; return the new one.

        What it was derived from no longer holds for it, so its origin goes.
        """
        old = self._held(uuid)
        new = replace(
            old,
            start=old.start if start is None else int(start),
            stop=old.stop if stop is None else int(stop),
            kind=old.kind if kind is None else kind,
            value=old.value if value is None else value,
            time=now_utc(),
            origin="",
        )
        self.edit(remove=[old], add=[new])
        return new

    def edit(
        self,
        *,
        remove: Sequence[Label] = (),
        add: Sequence[Label] = (),
        uuid: str | None = None,
        time: str | None = None,
    ) -> None:
        """Take labels out and put labels in, together: one line, one undo.

        Args:
            remove: labels as they stand in this layer.
            add: labels of this layer's annotator.
            uuid: the edit's identity, when it must be the same each time (a detector's layer); else a fresh one.
            time: the edit's moment, likewise.

        Raises:
            LayerError: a label breaks a rule, or the file cannot be written; the layer is unchanged.
        """
        if not remove and not add:
            return
        for label in (*remove, *add):
            problem = check_label(label)
            if problem is None and label.annotator != self.annotator:
                problem = f"a label of {label.annotator!r} cannot stand in the layer of {self.annotator!r}"
            if problem is not None:
                raise LayerError(f"{problem}.", path=self.path)
        self._append(
            {
                "edit": uuid or str(uuid_module.uuid4()),
                "time": time or now_utc(),
                "annotator": self.annotator,
                "remove": [label_fields(label) for label in remove],
                "add": [label_fields(label) for label in add],
            }
        )

    def undo(self) -> bool:
        """Undo the last edit by a further line; False when there is nothing to undo."""
        if self._log.done:
            self._append({"undo": self._log.done[-1].uuid, "time": now_utc(), "annotator": self.annotator})
            return True
        return False

    def redo(self) -> bool:
        """Redo the edit undone last by a further line; False when there is nothing to redo."""
        if self._log.undone:
            self._append({"redo": self._log.undone[-1].uuid, "time": now_utc(), "annotator": self.annotator})
            return True
        return False

    def _held(self, uuid: str) -> Label:
        try:
            return self._log.state[uuid]
        except KeyError:
            raise LayerError(f"there is no label {uuid!r} in this layer now.", path=self.path) from None

    def _append(self, line: dict[str, Any]) -> None:
        checked = self._log.check(line)
        data = self._mend + dump(line)
        try:
            append_bytes(self.path, data, expected=self._keep + len(self._torn), keep=self._keep)
        except LayerError:
            # Cutting off a torn line may have succeeded before the write failed.
            if self.path.is_file() and self.path.stat().st_size == self._keep:
                self._torn = b""
            raise
        self._log.apply(checked)
        self._digest.update(data)
        self._keep += len(data)
        self._mend = self._torn = b""


def _refuse_twin(path: Path, annotator: str) -> None:
    """Refuse a name that another layer has in other capitals: some disks take the two for one file."""
    for other in layer_files(path.parent):
        if other.stem != annotator and other.stem.lower() == annotator.lower():
            raise LayerError(
                f"{other.stem} has a layer already, and {annotator} differs only in its capitals, which some disks "
                f"cannot tell apart; open that one, or use another name.",
                path=path,
            )
