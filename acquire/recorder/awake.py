"""Keeping the computer from going to sleep while it records, where the operating system lets itself be asked.

It is asked on a thread of its own: an answer that never comes, or a system that cannot be asked (no desktop session),
neither delays a recording nor ends it.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

__all__ = ["Awake"]

_LET_GO_LIMIT_S = 2.0


class Awake:
    """Asks that the computer stay awake, from entering this context until leaving it.

    Attributes:
        held: whether the system has agreed; may change at any time after entering.
    """

    def __init__(self) -> None:
        self.held = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._hold, name="awake", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        # Where the system does not answer, its hold ends with the process.
        self._thread.join(_LET_GO_LIMIT_S)

    def _hold(self) -> None:
        try:
            from wakepy import keep

            with keep.running(on_fail="pass") as mode:
                self.held = mode.active
                if self.held:
                    self._done.wait()
        except Exception:  # whatever a desktop's session bus can come up with, it is no reason not to record
            return
        finally:
            self.held = False
