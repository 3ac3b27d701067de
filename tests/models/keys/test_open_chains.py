"""How many chains of redirects a key has open: exact, and forgotten when their callers leave."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.models.keys.open_chains import OpenChains

NOW = 1_800_000_000.0
DUE = NOW + 25


def chains(key: str = "key", *, is_small_account: bool = False) -> OpenChains:
    return OpenChains.of(key, is_small_account=is_small_account)


def open_some(count: int, *, now: float = NOW, until: float = DUE) -> list[str | None]:
    return [chains().hold(f"c{index}", now=now, until=until) for index in range(count)]


def test_a_key_has_at_most_20_chains_open_and_another_key_its_own(aws: None) -> None:
    assert open_some(20) == [f"c{index}" for index in range(20)]
    assert chains().hold("more", now=NOW, until=DUE) is None
    assert chains("other").hold("more", now=NOW, until=DUE) == "more"


def test_a_small_account_has_two_for_all_keys(aws: None) -> None:
    keys = ["first", "second", "third"]
    small = [chains(key, is_small_account=True) for key in keys]
    held = [each.hold(key, now=NOW, until=DUE) for each, key in zip(small, keys, strict=True)]
    assert held == ["first", "second", None]


def test_concurrent_requests_open_no_more_than_the_limit(aws: None) -> None:
    with ThreadPoolExecutor(max_workers=30) as pool:
        held = list(
            pool.map(lambda index: chains().hold(f"c{index}", now=NOW, until=DUE), range(30))
        )
    assert len([each for each in held if each]) == 20


def test_a_closed_chain_makes_room(aws: None) -> None:
    open_some(20)
    chains().release("c3")
    chains().release("c3")
    assert chains().hold("more", now=NOW, until=DUE) == "more"
    assert chains().hold("again", now=NOW, until=DUE) is None


@pytest.mark.parametrize("late", [-0.5, 0, 0.01, 1, 3])
def test_the_next_request_of_a_chain_keeps_it_open_even_if_all_are(aws: None, late: float) -> None:
    open_some(20)
    for _ in range(20):
        assert chains().hold("c7", now=DUE + late, until=DUE + late) == "c7"


def test_a_caller_that_leaves_makes_room_after_some_seconds(aws: None) -> None:
    open_some(20)
    assert chains().hold("more", now=DUE + 3, until=DUE + 28) is None
    assert chains().hold("more", now=DUE + 6, until=DUE + 31) == "more"


def test_a_second_request_in_a_chain_counts_as_another_chain(aws: None) -> None:
    open_some(19)
    repeated = chains().hold("c0", now=NOW + 10, until=NOW + 35)
    assert repeated not in (None, "c0")
    assert chains().hold("c0", now=NOW + 11, until=NOW + 36) is None


@pytest.mark.parametrize("chain", ["c0", "unknown"])
def test_closing_a_chain_that_is_not_open_is_harmless(aws: None, chain: str) -> None:
    chains().release(chain)
    assert chains().hold("c0", now=NOW, until=DUE) == "c0"
