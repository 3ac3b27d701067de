"""The turns of a caller: each is taken once, by however many processes."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.models.line import CallerTurn

pytestmark = pytest.mark.usefixtures("aws")


class Interrupted(CallerTurn):
    """A process that is overtaken by another before its second write."""

    meanwhile: Callable[[], object] | None = None

    def update(self, actions: Any, condition: Any = None, **how: Any) -> Any:
        if condition is not None and Interrupted.meanwhile:
            other, Interrupted.meanwhile = Interrupted.meanwhile, None
            other()
        return super().update(actions, condition, **how)


def take(kind: type[CallerTurn], caller: str, count: int, earliest: int) -> list[int]:
    first = kind.take(caller, count, earliest=earliest, now=1000.0)
    return list(range(first, first + count))


def test_turns_follow_each_other_and_are_never_early() -> None:
    taken = [take(CallerTurn, "a", count, earliest) for count, earliest in ((2, 10), (1, 10))]
    assert taken == [[10, 11], [12]]
    assert take(CallerTurn, "a", 2, 50) == [50, 51]
    assert take(CallerTurn, "a", 3, 51) == [52, 53, 54]


def test_callers_have_turns_of_their_own() -> None:
    assert take(CallerTurn, "a", 5, 10) == [10, 11, 12, 13, 14]
    assert take(CallerTurn, "b", 1, 10) == [10]
    assert take(CallerTurn, "", 1, 10) == [10]


Taking = tuple[int, int]
taking = st.tuples(st.integers(1, 4), st.integers(100, 106))
_callers = itertools.count()


def take_at_once(before: int, first: Taking, second: Taking) -> tuple[list[int], list[int]]:
    """Have a process take turns between the two writes of another."""
    caller, others = f"caller {next(_callers)}", list[int]()
    take(CallerTurn, caller, 1, before)
    Interrupted.meanwhile = lambda: others.extend(take(CallerTurn, caller, *second))
    taken = take(Interrupted, caller, *first)
    Interrupted.meanwhile = None
    return taken, others


def test_turns_that_two_processes_take_at_the_same_head_are_distinct() -> None:
    taken, others = take_at_once(1, (1, 100), (1, 100))
    assert sorted(taken + others) == [100, 101]


@settings(max_examples=40)
@given(before=st.integers(90, 106), first=taking, second=taking)
@example(before=94, first=(4, 100), second=(1, 102))
def test_turns_that_two_processes_take_at_once_are_distinct(
    before: int, first: Taking, second: Taking
) -> None:
    taken, others = take_at_once(before, first, second)
    assert not {*taken} & {*others}
    assert min(taken) >= first[1]
