"""The turns of a caller: each is taken once, by however many processes."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.queue import VirtualTime
from tests.models.queueing import come
from tests.models.unheard import unheard

pytestmark = pytest.mark.usefixtures("aws")


class Interrupted(VirtualTime):
    """A process that is overtaken by another before one of its writes."""

    meanwhile: Callable[[], object] | None = None
    writes_before = 0

    def update(self, *given: Any, **how: Any) -> Any:
        if Interrupted.writes_before == 0 and Interrupted.meanwhile:
            other, Interrupted.meanwhile = Interrupted.meanwhile, None
            other()
        Interrupted.writes_before -= 1
        return super().update(*given, **how)


def take(kind: type[VirtualTime], caller: str, count: int, earliest: int) -> list[int]:
    first = kind.take(caller, count, earliest=earliest, now=1000.0)
    return list(range(first, first + count))


def test_turns_follow_each_other_and_are_never_early() -> None:
    taken = [take(VirtualTime, "a", count, earliest) for count, earliest in ((2, 10), (1, 10))]
    assert taken == [[10, 11], [12]]
    assert take(VirtualTime, "a", 2, 50) == [50, 51]
    assert take(VirtualTime, "a", 3, 51) == [52, 53, 54]


def test_callers_have_turns_of_their_own() -> None:
    assert take(VirtualTime, "a", 5, 10) == [10, 11, 12, 13, 14]
    assert take(VirtualTime, "b", 1, 10) == [10]
    assert take(VirtualTime, "", 1, 10) == [10]


Taking = tuple[int, int]
taking = st.tuples(st.integers(1, 4), st.integers(100, 106))
_callers = itertools.count()


def take_at_once(
    before: int, first: Taking, second: Taking, writes_before: int
) -> tuple[list[int], list[int]]:
    """Have a process take turns between two writes of another."""
    caller, others = f"caller {next(_callers)}", list[int]()
    take(VirtualTime, caller, 1, before)
    Interrupted.meanwhile = lambda: others.extend(take(VirtualTime, caller, *second))
    Interrupted.writes_before = writes_before
    taken = take(Interrupted, caller, *first)
    Interrupted.meanwhile = None
    return taken, others


def test_turns_that_two_processes_take_at_the_same_head_are_distinct() -> None:
    taken, others = take_at_once(1, (1, 100), (1, 100), 1)
    assert sorted(taken + others) == [100, 101]


@settings(max_examples=60)
@given(before=st.integers(90, 106), first=taking, second=taking, writes_before=st.integers(0, 2))
@example(before=94, first=(4, 100), second=(1, 102), writes_before=1)
@example(before=94, first=(4, 102), second=(1, 100), writes_before=1)
def test_turns_that_two_processes_take_at_once_are_distinct(
    before: int, first: Taking, second: Taking, writes_before: int
) -> None:
    taken, others = take_at_once(before, first, second, writes_before)
    assert not {*taken} & {*others}
    assert min(taken) >= first[1]


@pytest.mark.parametrize(("last", "writes"), [(None, 2), (5, 2), (99, 1), (200, 1)])
def test_turns_are_taken_by_few_writes(last: int | None, writes: int) -> None:
    caller = f"caller {next(_callers)}"
    if last:
        take(VirtualTime, caller, 1, last)
    Interrupted.writes_before = 0
    take(Interrupted, caller, 1, 100)
    assert -Interrupted.writes_before == writes


@pytest.mark.parametrize("last", [None, 5, 99, 200])
def test_a_turn_whose_write_is_applied_twice_is_nobody_elses(last: int | None) -> None:
    caller = f"caller {next(_callers)}"
    if last:
        take(VirtualTime, caller, 1, last)
    with unheard("UpdateItem"):
        taken = take(VirtualTime, caller, 2, 100)
    assert min(taken) >= 100
    assert not {*taken} & {*take(VirtualTime, caller, 2, 100)}


def test_a_turn_is_given_back_once() -> None:
    job = come(caller := f"caller {next(_callers)}", now=1000)[0]
    [last] = take(VirtualTime, caller, 1, 0)
    with unheard("UpdateItem"):
        queue.give_back([job])
    assert take(VirtualTime, caller, 1, 0) == [last]
