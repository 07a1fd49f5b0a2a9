"""A device double on a pseudo-terminal: a real driver opens it like a serial port. Linux and macOS only."""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import random
import select
import sys
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from acquire.emulators.device import Device, Piece
from acquire.emulators.faults import Fault

__all__ = ["PseudoTerminal"]

_TICK_S = 0.001
_UNHEARD_S = 0.005
_MAX_UNSENT_BYTES = 1 << 20
_UNPACED_STEP = 64
_MAX_STEP = 4096
_WRITE_PIECES = 64
_UNPACED_UNSENT_BYTES = 4096
_SENT_TIMES = 1 << 16
_JITTER_SEED = 8232
_JOIN_S = 5.0


class PseudoTerminal:
    """Runs a device double on a pseudo-terminal, in a thread, at the pace of the device.

    The thread never blocks on the reader: what the terminal does not take waits in memory, up to 1 MiB, and then whole
    pieces are dropped, as a real port's driver does. While nobody has the port open, what the board sends goes nowhere.

    Attributes:
        device: the double.
        link: a symbolic link that follows the port when it moves, or None.
        dropped: how many samples were dropped because the reader did not read.
        unheard: how many samples were sent while nobody had the port open.
    """

    def __init__(
        self,
        device: Device,
        *,
        link: Path | None = None,
        speed: float = 1.0,
        unpaced_until: int = 0,
        jitter_s: float = 0.0,
    ) -> None:
        """Prepare; entering the context opens the port.

        Args:
            device: the double; from now on only the terminal may call it.
            link: where the symbolic link shall be; must not exist.
            speed: how many times faster than the device's rate time passes; 0 is as fast as the reader reads.
            unpaced_until: the samples before this index come as fast as the reader reads them, whatever the speed.
            jitter_s: how late a sample may come, at random but in order; the same in each run.
        """
        if not 0 <= speed < 1e6:
            raise ValueError(f"the speed is {speed}; it must be from 0 to a million")
        if not 0 <= jitter_s < 1e3:
            raise ValueError(f"the jitter is {jitter_s} s; it must be from 0 to a thousand")
        self.device = device
        self.link = link
        self.dropped = 0
        self.unheard = 0
        self._speed = speed
        self._unpaced_until = unpaced_until
        self._jitter_s = jitter_s
        self._random = random.Random(_JITTER_SEED)
        self._lock = threading.RLock()
        self._master = -1
        self._port = ""
        self._away = False
        self._linked = False
        self._kept: list[int] = []
        self._unsent: deque[tuple[bytes, int]] = deque()
        self._unsent_bytes = 0
        self._sent = 0
        self._sent_index = -1
        self._sent_ns: deque[tuple[int, int]] = deque(maxlen=_SENT_TIMES)
        self._wake_read, self._wake_write = -1, -1
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._error: BaseException | None = None
        self._sent_news = threading.Condition(self._lock)

    @property
    def port(self) -> str:
        """The device file, the last one while the port is away."""
        return self._port

    @property
    def sent(self) -> int:
        """How many samples the terminal has taken so far."""
        return self._sent

    @property
    def sent_times_ns(self) -> list[tuple[int, int]]:
        """(index, ``time.monotonic_ns()`` when its last byte was written) of the last 65536 samples."""
        with self._lock:
            return list(self._sent_ns)

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            raise OSError("Windows has no pseudo-terminals; drive the double from bytes alone, by receive and advance")
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        os.set_blocking(self._wake_read, False)
        try:
            self._open_port()
        except BaseException:
            self._close_all()
            raise
        self._thread = threading.Thread(target=self._guarded_run, name=f"double on {self._port}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._wake()
        assert self._thread is not None
        self._thread.join(_JOIN_S)
        self._close_all()
        if self._error is not None and error is None:
            raise self._error

    def hang_up(self) -> None:
        """Take the port away, as when the plug is pulled."""
        with self._lock:
            if not self._away:
                self._close_port()
                self._away = True
        self._wake()

    def come_back(self) -> None:
        """Bring the port back under another name."""
        with self._lock:
            if self._away:
                self._open_port()
        self._wake()

    def schedule(self, fault: Fault) -> None:
        """Let something go wrong; a fault before the present sample happens now."""
        with self._lock:
            self.device.schedule(fault)

    def wait_sent(self, index: int, timeout_s: float) -> bool:
        """Wait until the sample ``index`` or a later one was written.

        Returns:
            Whether it was, before the time was over.
        """
        with self._sent_news:
            return self._sent_news.wait_for(lambda: self._sent_index >= index or self._error is not None, timeout_s)

    def _open_port(self) -> None:
        import pty
        import tty

        master, slave = pty.openpty()
        try:
            tty.setraw(slave)
            port = os.ttyname(slave)
            if port == self._port:
                # The name of the port that went is free again, so the kernel gave it anew: keep it and take the next.
                self._kept.append(master)
                master, other = pty.openpty()
                os.close(slave)
                slave = other
                tty.setraw(slave)
                port = os.ttyname(slave)
            os.set_blocking(master, False)
        finally:
            # Only the reader holds the port open, so that its absence can be seen.
            os.close(slave)
        self._master, self._port, self._away = master, port, False
        if self.link is not None:
            self.link.symlink_to(port)
            self._linked = True

    def _close_all(self) -> None:
        with self._lock:
            self._close_port()
            for descriptor in (*self._kept, self._wake_read, self._wake_write):
                os.close(descriptor)
            self._kept.clear()

    def _close_port(self) -> None:
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
        if self.link is not None and self._linked:
            self.link.unlink(missing_ok=True)
            self._linked = False

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"w")

    def _guarded_run(self) -> None:
        try:
            self._run()
        except BaseException as error:
            # Whoever uses the double shall see it, not only the thread.
            with self._sent_news:
                self._error = error
                self._sent_news.notify_all()

    def _run(self) -> None:
        started_s, passed, heard = time.monotonic(), 0, False
        late_s = 0.0
        while not self._stopping:
            self._wait(heard, started_s + late_s + (passed + 1) / self._pace_hz() if self._paced() else 0.0)
            with self._lock:
                before, heard = heard, self._hear()
                if heard and not before:
                    self.device.opened()
                if self._paced():
                    due = int((time.monotonic() - started_s - late_s) * self._pace_hz())
                    steps = min(max(due - passed, 0), _MAX_STEP)
                    late_s = self._random.random() * self._jitter_s if steps else late_s
                    passed += steps
                else:
                    steps = _UNPACED_STEP if self._room(heard) else 0
                    started_s, passed = time.monotonic(), 0
                for piece in self.device.advance(steps):
                    self._queue(piece, heard)
                self._write()

    def _pace_hz(self) -> float:
        return self.device.rate_hz * self._speed

    def _paced(self) -> bool:
        return self._speed > 0 and self.device.index >= self._unpaced_until

    def _room(self, heard: bool) -> bool:
        """Whether an unpaced device may go on: somebody reads and has read nearly all, or the port is away."""
        return self._away or (heard and self._unsent_bytes < _UNPACED_UNSENT_BYTES)

    def _wait(self, heard: bool, next_s: float) -> None:
        """Sleep until the next sample is due, the computer writes or takes bytes, or somebody calls."""
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        with self._lock:
            if heard and not self._away:
                poller.register(self._master, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            idle = not self.device.streaming and not self._away
            unpaced_idle = not self._paced() and (idle or not self._room(heard))
        wait_s = max(next_s - time.monotonic(), _TICK_S if self._paced() else 0.0)
        if not heard or idle or unpaced_idle:
            wait_s = max(wait_s, _UNHEARD_S)
        poller.poll(math.ceil(wait_s * 1000.0))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _hear(self) -> bool:
        """Let the device have what the computer wrote; whether anybody has the port open."""
        if self._away:
            return False
        poller = select.poll()
        poller.register(self._master, select.POLLIN)
        state = dict(poller.poll(0)).get(self._master, 0)
        if state & select.POLLIN:
            try:
                answer = self.device.receive(os.read(self._master, 65536))
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                answer = b""
            if answer:
                self._queue(Piece(answer), heard=True)
        return not state & select.POLLHUP

    def _queue(self, piece: Piece, heard: bool) -> None:
        if piece.port == "goes":
            self.hang_up()
        elif piece.port == "returns":
            self.come_back()
        if not piece.data:
            return
        if self._away or not heard:
            self.unheard += piece.index >= 0
        elif self._unsent_bytes + len(piece.data) > _MAX_UNSENT_BYTES:
            self.dropped += piece.index >= 0
        else:
            self._unsent.append((piece.data, piece.index))
            self._unsent_bytes += len(piece.data)

    def _write(self) -> None:
        """Give the terminal what it takes now."""
        while self._unsent and not self._away:
            batch = list(itertools.islice(self._unsent, _WRITE_PIECES))
            try:
                taken = os.write(self._master, b"".join(data for data, _ in batch))
            except BlockingIOError:
                return
            now_ns = time.monotonic_ns()
            self._unsent_bytes -= taken
            for data, index in batch:
                self._unsent.popleft()
                if taken < len(data):
                    self._unsent.appendleft((data[taken:], index))
                    break
                taken -= len(data)
                if index >= 0:
                    self._sent += 1
                    self._sent_index = index
                    self._sent_ns.append((index, now_ns))
            self._sent_news.notify_all()
