from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    threads = set(threading.enumerate()) - before
    for thread in threads:
        # One that is about to end is none that was left.
        thread.join(timeout=5)
    left = [thread.name for thread in threads if thread.is_alive()]
    assert not left, f"threads are left behind: {left}"
