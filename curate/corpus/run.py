"""Where recordings are worked on: in this process, in several on this computer (joblib), or on a cluster (dask).

Every runner takes a function and its tasks and gives the results as they come, each with the place of its task. The
function writes what is large to the disk, so that little travels between processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import multiprocessing
import os
import re
import secrets
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from curate.corpus.parts import processing_digest
from curate.errors import CorpusError
from protocols.version import VERSION

__all__ = ["ClusterRunner", "LocalRunner", "Runner"]

T = TypeVar("T")
R = TypeVar("R")

CLUSTER_WAIT_S = 10.0
_ADDRESS = re.compile(r"(?:tcp|tls)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/:@]{1,253}):(?P<port>[0-9]{1,5})")
_PARENT_CHECK_S = 0.5


class Runner(Protocol):
    """Works on tasks somewhere."""

    def run(
        self, function: Callable[[T], R], tasks: Sequence[T], *, worth: int, light: bool = False
    ) -> Iterator[tuple[int, R]]:
        """Work on all tasks.

        Args:
            function: what is done; a module's own, so that other processes find it.
            tasks: what it is done to.
            worth: how many processes pay, by the amount of work.
            light: not to take more than pay, even where a number of processes was asked for.

        Yields:
            The place of a task among ``tasks``, and its result, in the order in which they are done.
        """
        ...


class LocalRunner:
    """Works in this process, or in several that end with it; a context manager.

    Args:
        workers: processes; None takes as many as pay.
        place: what errors are said to be about.
    """

    def __init__(self, workers: int | None, place: Path) -> None:
        self._workers = workers
        self._place = place
        self._results: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._results is None:
            return
        from joblib.externals.loky import get_reusable_executor

        with warnings.catch_warnings():
            # Of results that nobody fetched: whoever was interrupted did not want them.
            warnings.simplefilter("ignore")
            self._results.close()
        # joblib keeps its processes for a next time, which may never come.
        get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=error is not None)

    def run(
        self, function: Callable[[T], R], tasks: Sequence[T], *, worth: int, light: bool = False
    ) -> Iterator[tuple[int, R]]:
        """Work on all tasks; see ``Runner``.

        Raises:
            CorpusError: a process was ended from outside.
        """
        workers = self._workers or os.cpu_count() or 1
        if light or self._workers is None:
            workers = min(workers, worth)
        workers = min(workers, len(tasks))
        if workers < 2:
            yield from ((place, function(task)) for place, task in enumerate(tasks))
            return
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import BrokenProcessPool

        parallel = Parallel(
            n_jobs=workers,
            return_as="generator_unordered",
            batch_size=1,
            max_nbytes=None,
            initializer=_end_with,
            initargs=(os.getpid(),),
        )
        self._results = parallel(delayed(_placed)(function, place, task) for place, task in enumerate(tasks))
        try:
            # ``yield from`` would close them with this generator, before anybody keeps joblib from complaining.
            for result in self._results:  # noqa: UP028
                yield result
        except BrokenProcessPool as error:
            raise CorpusError(
                "a worker process was ended from outside, probably for want of memory; build again with --workers 1, "
                "which goes on from here.",
                path=self._place,
                reason="worker",
            ) from error


def _placed(function: Callable[[T], R], place: int, task: T) -> tuple[int, R]:
    return place, function(task)


def _end_with(parent: int) -> None:
    """Make a worker process leave Ctrl-C to the process it works for, and end when that does, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        if sys.platform == "win32":
            if (process := multiprocessing.parent_process()) is None:
                return
            process.join()
        else:
            while os.getppid() == parent:
                time.sleep(_PARENT_CHECK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class ClusterRunner:
    """Works on a dask.distributed cluster whose workers see the study folder; a context manager.

    Args:
        scheduler: its address, for example ``tcp://lab-3:8786``.
        folder: where parts go; every worker must find it under this path.

    Raises:
        CorpusError: the cluster cannot be reached, has no workers, runs another trilead, or does not see the folder.
    """

    def __init__(self, scheduler: str, folder: Path) -> None:
        try:
            self._library: Any = importlib.import_module("distributed")
        except ModuleNotFoundError as error:
            raise CorpusError(
                "a scheduler needs dask.distributed, which is not installed; install it with: pip install "
                "'trilead[cluster]'",
                path=folder.parent,
                reason="cluster",
            ) from error
        self._scheduler = scheduler
        self._folder = folder
        with contextlib.ExitStack() as stack:
            stack.enter_context(_quiet_client())
            self._knock()
            try:
                self._client: Any = self._library.Client(
                    scheduler, timeout=CLUSTER_WAIT_S, set_as_default=False, name="trilead"
                )
            except (OSError, TimeoutError, ValueError, ImportError) as error:
                raise self._no_answer() from error
            stack.callback(self._client.close)
            self._check()
            self._stack = stack.pop_all()

    def _knock(self) -> None:
        """Ask who is there before anything is started that would have to be taken down again."""
        if _ADDRESS.fullmatch(self._scheduler) is None:
            raise CorpusError(
                f"the scheduler is {self._scheduler[:200]!r}; its address is like tcp://lab-3:8786.",
                path=self._folder.parent,
                reason="cluster",
            )
        try:
            who = asyncio.run(asyncio.wait_for(self._identity(), CLUSTER_WAIT_S))
        # What answers may be any program, and what it says is taken for lengths of messages.
        except Exception as error:
            raise self._no_answer() from error
        if not isinstance(who, dict) or who.get("type") != "Scheduler":
            raise self._no_answer()

    async def _identity(self) -> object:
        async with self._library.rpc(self._scheduler, timeout=CLUSTER_WAIT_S) as there:
            return await there.identity()

    def _no_answer(self) -> CorpusError:
        return self._error(
            f"no dask scheduler answers there within {CLUSTER_WAIT_S:g} s; look whether it runs, and at the address"
        )

    def _error(self, sentence: str) -> CorpusError:
        return CorpusError(f"{sentence}.", path=self._scheduler, reason="cluster")

    def _check(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=CLUSTER_WAIT_S)
        except TimeoutError as error:
            raise self._error(
                "the cluster has no workers; start some with `dask worker`, on computers that see the study folder"
            ) from error
        token = self._folder / f"seen-{secrets.token_hex(8)}"
        token.touch()
        try:
            answers = self._client.run(_looked, str(token), on_error="return")
        finally:
            with contextlib.suppress(OSError):
                token.unlink()
        for worker, answer in sorted(answers.items()):
            if isinstance(answer, BaseException):
                raise self._error(
                    f"the worker {worker} cannot run trilead ({type(answer).__name__}: {str(answer)[:160]}); install "
                    f"trilead {VERSION} there"
                )
            version, digest, seen = answer
            if (version, digest) != (VERSION, processing_digest()):
                which = f"trilead {version}" if version != VERSION else f"another build of trilead {version}"
                raise self._error(
                    f"the worker {worker} runs {which}, this is {VERSION}; install the same, with the same libraries, "
                    "everywhere"
                )
            if not seen:
                raise self._error(
                    f"the worker {worker} does not see the folder {self._folder.parent}; share the study folder under "
                    "one path with all workers"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def run(
        self, function: Callable[[T], R], tasks: Sequence[T], *, worth: int, light: bool = False
    ) -> Iterator[tuple[int, R]]:
        """Work on all tasks; see ``Runner``. What pays has no say: the cluster is there anyway.

        Raises:
            CorpusError: the cluster was lost, or ends whoever works on one of the tasks.
        """
        futures = self._client.map(function, tasks, pure=False)
        places = {future.key: place for place, future in enumerate(futures)}
        try:
            for future in self._library.as_completed(futures, loop=self._client.loop):
                yield places[future.key], future.result()
        except self._library.KilledWorker as error:
            raise self._error(
                "several workers ended over one and the same recording, probably for want of memory; give workers more "
                "memory and build again, which goes on from here"
            ) from error
        except (self._library.comm.CommClosedError, CancelledError) as error:
            raise self._error("the cluster was lost; build again, which goes on from here") from error
        finally:
            self._client.cancel(futures)


@contextlib.contextmanager
def _quiet_client() -> Iterator[None]:
    """Have dask keep its stack traces about a lost connection to itself: one sentence tells of it."""
    logger = logging.getLogger("distributed.client")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _looked(token: str) -> tuple[str, str, bool]:
    """What a worker is, and whether it sees a file."""
    return VERSION, processing_digest(), Path(token).exists()
