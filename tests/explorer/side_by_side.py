"""Several worlds side by side, each in a process of its own, as a run changes modules."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


def each_in_a_copy(work: Callable[[A], R], items: Sequence[A], at_once: int) -> Iterator[R]:
    """Yield the results of work on each item, in their order."""
    with get_context("fork").Pool(at_once, maxtasksperchild=1) as pool:
        yield from pool.imap(work, items, chunksize=1)
