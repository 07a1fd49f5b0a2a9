"""A network of Lab Streaming Layer streams that nobody outside can see, and that sees nobody outside."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

__all__ = ["CONFIG", "Sender", "loopback_lsl"]

CONFIG = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
[lab]
KnownPeers = {{127.0.0.1}}
SessionID = trilead-{session}
[log]
level = -3
"""
"""liblsl's settings; the session keeps test processes that run side by side apart."""

_ready: list[ModuleType] = []


def loopback_lsl() -> ModuleType:
    """pylsl, confined to this process's own streams on the loopback interface; skips where it is not installed."""
    if not _ready:
        pylsl = pytest.importorskip("pylsl", reason="pylsl, the extra lsl, is not installed")
        # liblsl reads its settings once: those of tests/conftest.py, whoever used it first.
        assert "LSLAPICFG" in os.environ
        _ready.append(pylsl)
    return _ready[0]


class Sender:
    """Sends rows with stamps of its own choosing, in real time or as fast as they go."""

    def __init__(
        self,
        name: str,
        *,
        rate_hz: float = 250.0,
        n_channels: int = 2,
        form: str = "cf_float32",
        kind: str = "ECG",
        source_id: str = "",
        describe: Callable[[object], None] | None = None,
    ) -> None:
        self.lsl = loopback_lsl()
        self.rate_hz = rate_hz
        self.n_channels = n_channels
        self._info = self.lsl.StreamInfo(
            name, kind, n_channels, rate_hz, getattr(self.lsl, form), source_id or f"source of {name}"
        )
        if describe is not None:
            describe(self._info.desc())
        self.begin_s = self.lsl.local_clock()
        self.outlet = self.lsl.StreamOutlet(self._info)

    def rows(self, start: int, stop: int) -> NDArray[np.float64]:
        """Rows that tell their index: in the first channel it stands itself."""
        rows = np.zeros((stop - start, self.n_channels))
        rows[:, 0] = np.arange(start, stop)
        return rows

    def send(self, start: int, stop: int, *, rows: NDArray[np.float64] | None = None) -> None:
        """Send samples, stamped with when they were due."""
        rows = self.rows(start, stop) if rows is None else rows
        self.outlet.push_chunk(rows, (self.begin_s + np.arange(start, stop) / self.rate_hz).tolist())

    def wait_for_listener(self) -> None:
        assert self.outlet.wait_for_consumers(10.0), "nobody listens to the stream"

    def leave(self) -> None:
        """Vanish from the network as a program does that ends."""
        del self.outlet

    def come_back(self) -> None:
        """Be there again, as the same source."""
        self.outlet = self.lsl.StreamOutlet(self._info)

    def keep_sending(self, start: int) -> Paced:
        """Send in real time from a sample on until told to stop."""
        return Paced(self, start)


class Paced:
    """Samples sent when they are due, from a thread; used as a context manager."""

    def __init__(self, sender: Sender, start: int) -> None:
        self.sent = start
        self._sender = sender
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lsl-sender")

    def _run(self) -> None:
        sender = self._sender
        while not self._ending.wait(0.01):
            due = int((time.monotonic() - self._began_s) * sender.rate_hz) + self._start
            if due > self.sent:
                sender.send(self.sent, due)
                self.sent = due

    def __enter__(self) -> Paced:
        self._start = self.sent
        self._sender.begin_s = self._sender.lsl.local_clock() - self.sent / self._sender.rate_hz
        self._began_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
