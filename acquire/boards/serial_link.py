"""A serial port that is emptied all the time, so that a slow disk or a busy machine loses nothing.

The operating system keeps some 4 kB of what has come, half a second of a Cyton. Whoever reads takes it from there; when
nobody has read for a moment, a thread moves it into memory, with the time of its arrival, until somebody does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
import threading
import time
from collections import deque

import serial

from acquire.errors import BoardError, BoardErrorReason

__all__ = ["SerialLink"]

_READ_TIMEOUT_S = 0.5
_WRITE_TIMEOUT_S = 2.0
_MOST_AT_ONCE = 1 << 16
_AWAY_S = 0.05
"""Whoever did not read for so long is away, long before the system's 4 kB are full."""


class SerialLink:
    """An open serial port (8N1), its reader thread and what the thread has read.

    Attributes:
        device: what was opened.
        received_bytes: all that have come.

    Args:
        device: path or name of the port.
        baud: bits per second.
        address: of the board, for messages.

    Raises:
        BoardError: the port is not there, in use, not permitted or no serial port.
    """

    def __init__(self, device: str, *, baud: int, address: str) -> None:
        self.device = device
        self.received_bytes = 0
        self._address = address
        self._arrived: deque[tuple[bytes, int]] = deque()
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._reading = False
        self._read_s = time.monotonic()  # when somebody last read
        self._closing = False
        self._fault: Exception | None = None
        try:
            self._port = serial.Serial(
                device, baud, timeout=_READ_TIMEOUT_S, write_timeout=_WRITE_TIMEOUT_S, exclusive=True
            )
        except (OSError, ValueError) as error:  # pyserial's own exception is an OSError
            raise self._refused(error) from error
        self._lock_out(others=True)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(
            target=self._drain if sys.platform == "win32" else self._stand_in, name=f"reader of {device}", daemon=True
        )
        self._thread.start()

    def read(self, timeout_s: float) -> list[tuple[bytes, int]]:
        """Take all that has come, waiting for something to come.

        Args:
            timeout_s: how long to wait at most; 0 to look only.

        Returns:
            Pieces in order, each with ``time.monotonic_ns()`` of its arrival; none when nothing came in time.

        Raises:
            BoardError: the port has gone (HUNG_UP), and all that came before was taken.
        """
        self._reading = True
        try:
            self._wait(timeout_s)
            with self._lock:
                pieces = list(self._arrived)
                self._arrived.clear()
                fault = self._fault
        finally:
            self._read_s = time.monotonic()
            self._reading = False
        if not pieces and fault is not None:
            raise self._gone() from fault
        return pieces

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            BoardError: the port has gone, or takes nothing.
        """
        try:
            self._port.write(data)
        except (OSError, ValueError) as error:
            raise self._gone() from error

    @property
    def alive(self) -> bool:
        """Whether the port is still there."""
        return self._fault is None and not self._closing

    def close(self) -> None:
        """Let go of the port; what was not taken is forgotten."""
        if self._closing:
            return
        self._closing = True
        os.write(self._wake_write, b"x")
        if sys.platform == "win32":
            self._port.cancel_read()
        self._thread.join()
        self._lock_out(others=False)
        with self._lock, contextlib.suppress(OSError):
            self._port.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wait(self, timeout_s: float) -> None:
        """Let what comes gather in ``_arrived``, until something is there, all is over or the time is up."""
        if sys.platform == "win32":
            with self._news:
                self._news.wait_for(lambda: self._arrived or self._fault is not None or self._closing, timeout_s)
        else:
            self._select_and_take_in(0.0 if self._arrived else timeout_s)

    def _stand_in(self) -> None:
        """Empty the port while nobody reads. To wake a thread for every few bytes would cost more than they do."""
        while not self._closing:
            if self._reading or time.monotonic() - self._read_s < _AWAY_S:
                select.select([self._wake_read], [], [], _AWAY_S)
            elif not self._select_and_take_in(_AWAY_S):
                return

    def _drain(self) -> None:
        """Empty the port all the time, where it cannot be waited for together with anything else."""
        while not self._closing:
            try:
                piece: bytes = self._port.read(1)
                if piece and (waiting := self._port.in_waiting):
                    piece += self._port.read(waiting)
            except (OSError, ValueError, TypeError) as error:  # TypeError: pyserial on a port closed meanwhile
                with self._news:
                    self._fault = error
                    self._news.notify_all()
                return
            if piece:
                with self._news:
                    self._arrive(piece)
                    self._news.notify_all()

    def _select_and_take_in(self, timeout_s: float) -> bool:
        """Wait for bytes and take them in, past pyserial, which needs four times as long; False when all is over."""
        if self._is_over():
            return False
        number = self._port.fileno()
        select.select([number, self._wake_read], [], [], timeout_s)
        with self._lock:
            if self._is_over():
                return False
            try:
                if not select.select([number], [], [], 0)[0]:
                    return True  # nothing came, or somebody else took it
                piece = os.read(number, _MOST_AT_ONCE)
                if not piece:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            except OSError as error:
                self._fault = error
                return False
            self._arrive(piece)
        return True

    def _is_over(self) -> bool:
        return self._fault is not None or self._closing

    def _arrive(self, piece: bytes) -> None:
        self._arrived.append((piece, time.monotonic_ns()))
        self.received_bytes += len(piece)

    def _lock_out(self, *, others: bool) -> None:
        """Let nobody else open the port: pyserial's lock stops only those who ask for it.

        ModemManager and brltty do not ask, and would swallow bytes.
        """
        if sys.platform == "win32":
            return  # ports are exclusive there
        import fcntl
        import termios

        with contextlib.suppress(OSError, ValueError, TypeError):
            fcntl.ioctl(self._port.fileno(), termios.TIOCEXCL if others else termios.TIOCNXCL)

    def _gone(self) -> BoardError:
        return BoardError(
            f"The board {self._address!r} hung up as its USB plug was pulled out or lost power; plug it in again.",
            reason=BoardErrorReason.HUNG_UP,
            address=self._address,
        )

    def _refused(self, error: OSError | ValueError) -> BoardError:
        number = error.errno if isinstance(error, OSError) else None
        text = str(error)
        if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
            reason, clause = BoardErrorReason.NOT_FOUND, "is not there; plug the board in or name another port"
        elif number in (errno.EBUSY, errno.EAGAIN) or (sys.platform == "win32" and "PermissionError" in text):
            reason, clause = BoardErrorReason.BUSY, "is in use by another program; close that program"
        elif number in (errno.EACCES, errno.EPERM):
            reason = BoardErrorReason.NOT_PERMITTED
            clause = "may not be opened by you; run: sudo usermod -aG dialout $USER, then log in again"
        else:
            reason = BoardErrorReason.UNSUPPORTED
            clause = f"cannot be opened as a serial port ({_words(error)}); name another port"
        return BoardError(
            f"The board {self._address!r} cannot be opened: the port {self.device} {clause}.",
            reason=reason,
            address=self._address,
        )


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
