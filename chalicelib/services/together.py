"""Doing several things at once, in threads of one function."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Protocol


class Together(Protocol):
    """Does all of the work at once, waits for all of it, and returns the results in order.

    Raise the error of the first work that failed, after all have ended.
    """

    def __call__(self, works: Sequence[Callable[[], Any]]) -> list[Any]: ...


def in_threads(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do the first work in this thread, and each other one in a thread of its own; see Together."""
    if len(works) < 2:
        return [work() for work in works]
    with ThreadPoolExecutor(max_workers=len(works) - 1) as pool:
        others = [pool.submit(partial(copy_context().run, work)) for work in works[1:]]
        first = works[0]()  # an error is raised when all have ended
    return [first, *(each.result() for each in others)]
