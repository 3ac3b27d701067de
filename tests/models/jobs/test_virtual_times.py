"""Virtual start times of an owner: each is taken once, by however many processes."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.queue import VirtualTime
from tests.models.failing_dynamodb import lost_answer
from tests.models.queueing import enqueue

pytestmark = pytest.mark.usefixtures("aws")


class Interrupted(VirtualTime):
    """A process in which another one acts before one of its writes."""

    meanwhile: Callable[[], object] | None = None
    writes_before = 0

    def update(self, *given: Any, **how: Any) -> Any:
        if Interrupted.writes_before == 0 and Interrupted.meanwhile:
            other, Interrupted.meanwhile = Interrupted.meanwhile, None
            other()
        Interrupted.writes_before -= 1
        return super().update(*given, **how)


def take(kind: type[VirtualTime], owner: str, count: int, earliest: int) -> list[int]:
    first = kind.take(owner, count, earliest=earliest, now=1000.0)
    return list(range(first, first + count))


def test_virtual_start_times_are_consecutive_and_never_before_the_earliest() -> None:
    taken = [take(VirtualTime, "a", count, earliest) for count, earliest in ((2, 10), (1, 10))]
    assert taken == [[10, 11], [12]]
    assert take(VirtualTime, "a", 2, 50) == [50, 51]
    assert take(VirtualTime, "a", 3, 51) == [52, 53, 54]


def test_each_owner_has_virtual_start_times_of_its_own() -> None:
    assert take(VirtualTime, "a", 5, 10) == [10, 11, 12, 13, 14]
    assert take(VirtualTime, "b", 1, 10) == [10]
    assert take(VirtualTime, "", 1, 10) == [10]


Taking = tuple[int, int]
taking = st.tuples(st.integers(1, 4), st.integers(100, 106))
_owners = itertools.count()


def take_at_once(
    before: int, first: Taking, second: Taking, writes_before: int
) -> tuple[list[int], list[int]]:
    """Take virtual start times in one process between two writes of another."""
    owner, others = f"owner {next(_owners)}", list[int]()
    take(VirtualTime, owner, 1, before)
    Interrupted.meanwhile = lambda: others.extend(take(VirtualTime, owner, *second))
    Interrupted.writes_before = writes_before
    taken = take(Interrupted, owner, *first)
    Interrupted.meanwhile = None
    return taken, others


def test_two_processes_with_the_same_head_take_distinct_virtual_start_times() -> None:
    taken, others = take_at_once(1, (1, 100), (1, 100), 1)
    assert sorted(taken + others) == [100, 101]


@settings(max_examples=60)
@given(before=st.integers(90, 106), first=taking, second=taking, writes_before=st.integers(0, 2))
@example(before=94, first=(4, 100), second=(1, 102), writes_before=1)
@example(before=94, first=(4, 102), second=(1, 100), writes_before=1)
def test_two_concurrent_processes_take_distinct_virtual_start_times(
    before: int, first: Taking, second: Taking, writes_before: int
) -> None:
    taken, others = take_at_once(before, first, second, writes_before)
    assert not {*taken} & {*others}
    assert min(taken) >= first[1]


@pytest.mark.parametrize(("last", "writes"), [(None, 2), (5, 2), (99, 1), (200, 1)])
def test_virtual_start_times_are_taken_with_one_or_two_writes(
    last: int | None, writes: int
) -> None:
    owner = f"owner {next(_owners)}"
    if last:
        take(VirtualTime, owner, 1, last)
    Interrupted.writes_before = 0
    take(Interrupted, owner, 1, 100)
    assert -Interrupted.writes_before == writes


@pytest.mark.parametrize("last", [None, 5, 99, 200])
def test_a_write_that_is_applied_twice_takes_no_virtual_start_time_twice(last: int | None) -> None:
    owner = f"owner {next(_owners)}"
    if last:
        take(VirtualTime, owner, 1, last)
    with lost_answer("UpdateItem"):
        taken = take(VirtualTime, owner, 2, 100)
    assert min(taken) >= 100
    assert not {*taken} & {*take(VirtualTime, owner, 2, 100)}


def test_a_virtual_start_time_is_given_back_once() -> None:
    job = enqueue(owner := f"owner {next(_owners)}", now=1000)[0]
    [last] = take(VirtualTime, owner, 1, 0)
    with lost_answer("UpdateItem"):
        queue.give_back([job])
    assert take(VirtualTime, owner, 1, 0) == [last]
