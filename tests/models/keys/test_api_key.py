"""API keys: how often a key may be used."""

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Forbidden, TooManyRequests, Unauthenticated
from chalicelib.models.keys.allowance import MEGA, Work
from chalicelib.models.keys.api_key import ApiKey, parts
from infra.keys import create
from tests.models.allowances import allowance_of, counted

MINUTE = 60.0
NOON = 43_200.0
DAY = 86_400.0


def admits(token: str, now: float) -> bool:
    try:
        ApiKey.admit(token, now=now)
    except TooManyRequests:
        return False
    return True


@given(steps=st.lists(st.floats(0, 40), min_size=1, max_size=30), limit=st.integers(1, 5))
def test_no_minute_has_more_requests_than_the_limit(
    aws: None, steps: list[float], limit: int
) -> None:
    token, now = create("ci", requests_per_minute=limit), 1e9
    used: dict[int, int] = {}
    for step in steps:
        now += step
        minute = int(now // MINUTE)
        expected = used.get(minute, 0) < limit
        assert admits(token, now) == expected
        used[minute] = used.get(minute, 0) + expected


def test_a_function_whose_clock_is_behind_admits_no_more_than_the_limit(aws: None) -> None:
    token = create("ci", requests_per_minute=2)
    assert [admits(token, now) for now in (600.0, 540.0, 541.0, 601.0)] == [
        True,
        True,
        False,
        False,
    ]


def test_the_refusal_says_when_the_next_minute_begins(aws: None) -> None:
    token = create("ci", requests_per_minute=1)
    ApiKey.admit(token, now=600.0)
    with pytest.raises(TooManyRequests) as refused:
        ApiKey.admit(token, now=618.5)
    assert refused.value.retry_seconds == 42


def test_a_request_that_always_loses_to_other_requests_may_be_repeated(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = create("shop")
    monkeypatch.setattr(ApiKey, "update_if", lambda *_: False)
    with pytest.raises(TooManyRequests) as refused:
        ApiKey.admit(token, now=0)
    assert refused.value.retry_seconds == 1


def test_a_request_with_a_wrong_secret_is_not_counted(aws: None) -> None:
    token = create("ci", requests_per_minute=1)
    with pytest.raises(Unauthenticated):
        ApiKey.admit(f"{token[:-3]}xxx", now=600.0)
    assert admits(token, 600.0)


def test_a_key_can_be_revoked_once(aws: None) -> None:
    key_id, _ = parts(create("ci"))
    assert [ApiKey(key_id).revoke(now=1.0), ApiKey(key_id).revoke(now=2.0)] == [True, False]
    assert not ApiKey("aaaaaaaaaaaa").revoke(now=1.0)
    assert [key.id for key in ApiKey.scan()] == [key_id]


@given(counts=st.lists(st.integers(1, 8), max_size=20), limit=st.integers(1, 20))
def test_no_day_has_more_images_than_the_limit(aws: None, counts: list[int], limit: int) -> None:
    allowance, taken = allowance_of(create("ci")[3:15], limit), 0
    for count in counts:
        if taken + count <= limit:
            allowance.take(Work(count, 1), now=NOON)
            taken += count
        elif count <= limit:
            with pytest.raises(TooManyRequests) as refused:
                allowance.take(Work(count, 1), now=NOON)
            assert refused.value.retry_seconds == NOON + 1
        else:
            with pytest.raises(Forbidden):  # waiting for another day does not help
                allowance.take(Work(count, 1), now=NOON)


@given(
    works=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 10**9)), max_size=20),
    images=st.integers(1, 20),
    pixel_steps=st.integers(1, 3 * 10**9),
)
def test_no_day_has_more_images_or_megapixel_steps_than_the_limits(
    aws: None, works: list[tuple[int, int]], images: int, pixel_steps: int
) -> None:
    key_id, sums = create("ci")[3:15], [0, 0]
    allowance = allowance_of(key_id, images, pixel_steps / 10**6)
    for count, steps in works:
        fits = sums[0] + count <= images and sums[1] + steps <= pixel_steps
        with nullcontext() if fits else pytest.raises((TooManyRequests, Forbidden)):
            allowance.take(Work(count, steps), now=NOON)
        sums = [sums[0] + count * fits, sums[1] + steps * fits]
    if sums[0]:
        assert counted(key_id, NOON) == sums[0]


def test_a_refusal_names_the_limit_that_is_reached(aws: None) -> None:
    allowance = allowance_of("a", 5, 100)
    allowance.take(Work(1, 90 * MEGA), now=NOON)
    with pytest.raises(TooManyRequests, match="may ask for 100 megapixel-steps a day"):
        allowance.take(Work(1, 11 * MEGA), now=NOON)
    allowance.take(Work(4, 1), now=NOON)
    with pytest.raises(TooManyRequests, match="may ask for 5 images a day"):
        allowance.take(Work(1, 1), now=NOON)


def test_the_allowance_is_full_again_the_next_day(aws: None) -> None:
    allowance = allowance_of("a", 1)
    for now in (NOON, NOON + DAY):
        allowance.take(Work(1, 1), now=now)
        with pytest.raises(TooManyRequests):
            allowance.take(Work(1, 1), now=now)


def test_images_that_were_not_accepted_are_given_back(aws: None) -> None:
    allowance = allowance_of("a", 2)
    allowance.take(Work(2, 1), now=NOON)
    allowance.give_back(Work(1, 1), now=NOON)
    allowance.take(Work(1, 1), now=NOON)
    with pytest.raises(TooManyRequests):
        allowance.take(Work(1, 1), now=NOON)
