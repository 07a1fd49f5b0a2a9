"""A file for HDF5 to write into that never fails it.

When a write fails inside HDF5, on a full disk for instance, the library cannot close the file any more and brings the
process down when it ends (seen with HDF5 2.0). So HDF5 writes into this: when the disk refuses, the error is kept, and
whatever HDF5 writes from then on stays in memory, where HDF5 finds it again. It closes in peace, and the error is
raised afterwards. Ctrl-C would be such a failed write too, for it breaks into whatever Python code runs, and HDF5 calls
this; so it has to wait as well.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["Sink", "interrupts_deferred"]


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[Callable[[], bool]]:
    """Keep Ctrl-C waiting until the end of the block.

    Yields:
        Whether the block had better end soon, because a ``KeyboardInterrupt`` will be raised behind it.
    """
    if threading.current_thread() is not threading.main_thread():
        # Signals are the main thread's business alone.
        yield lambda: False
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        # A handler of somebody else's may only take note of it, and then the work goes on.
        yield lambda: bool(caught) and before is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
        if caught:
            signal.raise_signal(signal.SIGINT)


class Sink(io.RawIOBase):
    """A new file, as h5py's driver for Python's file objects wants one.

    Attributes:
        error: what went wrong first; None while all is well. Whoever writes much should look at it now and then, for
            after an error everything goes into memory.
    """

    def __init__(self, path: Path) -> None:
        """Make the file.

        Raises:
            OSError: it cannot be made, or there is one of that name.
        """
        super().__init__()
        self.error: OSError | None = None
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags, 0o666), "w+b", buffering=0)
        self._position = 0
        self._size = 0
        self._in_memory: list[tuple[int, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second time does nothing."""
        if not self.closed:
            self._file.close()
        super().close()

    def raise_error(self) -> None:
        """Raise what went wrong first, if anything did.

        Raises:
            OSError: the disk refused something.
        """
        if self.error is not None:
            raise self.error

    def append_durably(self, data: bytes) -> None:
        """Write at the end, and wait until all of the file is on the disk.

        Raises:
            OSError: the disk refuses, or refused something before.
        """
        self.seek(0, io.SEEK_END)
        self.write(data)
        self.raise_error()
        os.fsync(self._file.fileno())

    def readable(self) -> bool:
        """Yes: HDF5 reads again what it has written."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position; one behind the end is allowed."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def write(self, data: ReadableBuffer, /) -> int:
        """Take all of the data, whatever the disk says."""
        view = memoryview(data).cast("B")
        if self.error is None:
            try:
                self._write_through(view)
            except OSError as error:
                self.error = error
        if self.error is not None:
            self._in_memory.append((self._position, bytes(view)))
        self._position += len(view)
        self._size = max(self._size, self._position)
        return len(view)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what was written, wherever it is."""
        view = memoryview(buffer).cast("B")
        start, stop = self._position, min(self._position + len(view), self._size)
        if stop <= start:
            return 0
        view[: stop - start] = bytes(stop - start)
        self._file.seek(start)
        at = 0
        while at < stop - start and (n_read := self._file.readinto(view[at : stop - start])):
            at += n_read
        for place, data in self._in_memory:
            low, high = max(place, start), min(place + len(data), stop)
            if low < high:
                view[low - start : high - start] = data[low - place : high - place]
        self._position = stop
        return stop - start

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length."""
        length = self._position if size is None else size
        if self.error is None:
            try:
                self._file.truncate(length)
            except OSError as error:
                self.error = error
        self._size = length
        return length

    def _write_through(self, view: memoryview) -> None:
        self._file.seek(self._position)
        while view:
            # A disk that has room for a part takes a part first, and refuses the next.
            view = view[self._file.write(view) :]
