"""Work in the background, with its outcome delivered where it is asked for.

A window so never waits, and is never called
from another thread.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Work"]

T = TypeVar("T")
_THREADS = 4


class Work:
    """Runs jobs on threads of its own.

    Args:
        threads: how many jobs run at once.
    """

    def __init__(self, threads: int = _THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="work")
        self._done: queue.SimpleQueue[tuple[Future[Any], Callable[[Any], None], Callable[[Exception], None]]]
        self._done = queue.SimpleQueue()
        self._pending = 0
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether something has not been delivered yet."""
        return self._pending > 0

    def submit(
        self,
        job: Callable[[], T],
        *,
        done: Callable[[T], None] = lambda outcome: None,
        failed: Callable[[Exception], None],
    ) -> None:
        """Run a job; `poll` delivers what comes of it.

        Args:
            job: may take as long as it likes.
            done: gets what the job returns.
            failed: gets what the job raises.
        """
        if self._closed:
            return
        self._pending += 1
        future = self._pool.submit(job)
        future.add_done_callback(lambda ended: self._done.put((ended, done, failed)))

    def poll(self) -> None:
        """Deliver the outcomes of all jobs that have ended, on the thread that calls this."""
        while not self._closed:
            try:
                future, done, failed = self._done.get_nowait()
            except queue.Empty:
                return
            self._pending -= 1
            error = future.exception()
            if error is None:
                done(future.result())
            elif isinstance(error, Exception):
                failed(error)
            else:
                raise error

    def close(self) -> None:
        """Deliver nothing any more; jobs that have begun are waited for, others never begin."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
