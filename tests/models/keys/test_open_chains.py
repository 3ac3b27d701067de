"""How many chains of redirects a key has open: exact, and forgotten when their callers leave."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.models.keys.open_chains import OpenChains
from tests.models.failing_dynamodb import lost_answer

NOW = 1_800_000_000.0
DUE = NOW + 25


def chains(key: str = "key", *, is_small_account: bool = False) -> OpenChains:
    return OpenChains.of(key, is_small_account=is_small_account)


def wait(chain: str, *, now: float = NOW, until: float | None = None) -> str | None:
    return chains().wait(chain, now=now, until=now + 25 if until is None else until)


def open_some(count: int, *, now: float = NOW) -> list[str]:
    return [each for _ in range(count) if (each := chains().open(now=now))]


def test_a_key_has_at_most_20_chains_open_and_another_key_its_own(aws: None) -> None:
    assert len(set(open_some(25))) == 20
    assert wait("more") is None
    assert chains("other").open(now=NOW)


def test_a_small_account_has_two_for_all_keys(aws: None) -> None:
    small = [chains(key, is_small_account=True) for key in ("first", "second", "third")]
    assert [each.open(now=NOW) is not None for each in small] == [True, True, False]


def test_no_more_requests_wait_than_chains_may_be_open(aws: None) -> None:
    """However many of them come at once, and to the same chain."""
    [chain] = open_some(1)
    with ThreadPoolExecutor(max_workers=30) as pool:
        found = list(pool.map(lambda _: wait(chain, until=NOW + 1), range(30)))
    waiting = [each for each in found if each]
    assert len(waiting) == len(set(waiting)) == 20


@pytest.mark.parametrize("later", [0.5, 20, 24.9, 25.1, 29])
def test_a_second_request_in_a_chain_waits_in_another_one(aws: None, later: float) -> None:
    assert wait("a") == "a"
    assert wait("a", now=NOW + later) not in (None, "a")


def test_the_next_request_waits_in_the_chain_that_the_one_before_left(aws: None) -> None:
    first, *_ = open_some(20)
    for second in range(0, 500, 25):
        assert wait(first, now=NOW + second) == first
        chains().leave(first, now=NOW + second + 25)
    assert open_some(1, now=NOW + 1) == []


def test_a_closed_chain_makes_room(aws: None) -> None:
    first, *_ = open_some(20)
    for _ in range(2):
        chains().close(first)
    assert len(open_some(2)) == 1


def test_a_caller_that_leaves_makes_room_after_some_seconds(aws: None) -> None:
    open_some(19)
    assert wait("a") == "a"
    assert open_some(1, now=NOW + 4.9) == []
    assert len(open_some(20, now=NOW + 6)) == 19
    assert wait("a", now=NOW + 31) == "a"  # the function that waited has died


def test_closing_or_leaving_a_chain_that_is_not_open_is_harmless(aws: None) -> None:
    for _ in range(2):
        chains().close("unknown")
        chains().leave("unknown", now=NOW)
        open_some(1)
    assert len(open_some(20)) == 18


def test_a_write_whose_answer_is_lost_counts_once(aws: None) -> None:
    open_some(18)
    with lost_answer("UpdateItem"):
        assert wait("a") == "a"
    with lost_answer("UpdateItem"):
        assert len(open_some(1)) == 1
    assert open_some(1) == []
