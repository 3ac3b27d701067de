"""The timeout that is learned from idle gaps."""

import json
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.simulation.learned import BINS, Terms, remembered, timeout_seconds

TERMS = Terms(
    fixed_seconds=300,
    shortest_seconds=60,
    longest_seconds=3600,
    boot_seconds=90,
    waiting_seconds=210,
)
gap = st.floats(0, 1e6)
histories = st.lists(gap | st.sampled_from([30.0, 400.0, 50_000.0]), max_size=60)
terms = st.builds(
    Terms,
    fixed_seconds=st.integers(0, 7200),
    shortest_seconds=st.integers(0, 600),
    longest_seconds=st.integers(600, 9000),
    boot_seconds=st.integers(1, 600),
    waiting_seconds=st.integers(0, 3600),
)


def histogram(*gaps: float) -> list[float]:
    return reduce(remembered, gaps, [])


def cost(gaps: list[float], minutes: int, price: float) -> float:
    """Return the cost of a timeout over all bins; the reconciler sees it half a minute late."""
    total = 0.0
    for at, count in enumerate(gaps):
        kept = at < minutes
        total += count * ((at + 0.5) * 60 if kept else (minutes + 0.5) * 60 + price)
    return total


@given(histories, terms)
def test_the_timeout_is_between_the_bounds_or_the_fixed_one(
    gaps: list[float], given_terms: Terms
) -> None:
    seconds = timeout_seconds(histogram(*gaps), given_terms)
    bounds = given_terms.shortest_seconds, given_terms.longest_seconds
    assert seconds == given_terms.fixed_seconds or bounds[0] <= seconds <= bounds[1]


@given(st.lists(gap, max_size=9), terms)
def test_with_few_gaps_the_timeout_is_the_fixed_one(gaps: list[float], given_terms: Terms) -> None:
    assert timeout_seconds(histogram(*gaps), given_terms) == given_terms.fixed_seconds


@given(st.lists(gap, min_size=12, max_size=60), terms)
def test_no_other_timeout_is_clearly_cheaper(gaps: list[float], given_terms: Terms) -> None:
    known, price = histogram(*gaps), given_terms.cold_start_seconds
    seconds = timeout_seconds(known, given_terms)
    first, last = -(-given_terms.shortest_seconds // 60), given_terms.longest_seconds // 60
    best = min(cost(known, at, price) for at in range(int(first), min(int(last), BINS) + 1))
    chosen = cost(known, min(int(seconds // 60), BINS), price)
    slack = 1 / 0.9 if seconds == given_terms.fixed_seconds else 1
    assert chosen <= best * slack * (1 + 1e-6)


@given(histories)
def test_the_stored_histogram_is_a_short_list_of_numbers(gaps: list[float]) -> None:
    known = histogram(*gaps, 1.0)
    assert json.loads(json.dumps(known)) == known
    assert len(known) == BINS + 1
    assert len(json.dumps(known)) < 1500
    assert all(each >= 0 for each in known)


@given(histories, gap)
def test_adding_a_gap_leaves_the_old_histogram_unchanged(gaps: list[float], one: float) -> None:
    known = histogram(*gaps, 60.0)
    before = list(known)
    remembered(known, one)
    assert known == before


@settings(max_examples=20)
@given(st.lists(gap, max_size=30))
def test_old_gaps_no_longer_affect_the_histogram(old: list[float]) -> None:
    new = [400.0] * 600
    assert histogram(*old, *new) == histogram(*new)


def test_a_negative_gap_counts_as_zero() -> None:
    assert histogram(-5.0) == histogram(0.0)


@pytest.mark.parametrize(
    ("gaps", "seconds"),
    [
        ([50_000.0] * 20, 60),  # no job follows soon
        ([340.0] * 20, 360),  # each job follows in the sixth minute; 330 < 90 + 300
        ([500.0] * 20, 60),  # waiting nine minutes for each costs more than a cold start
        ([30.0] * 20, 300),  # any timeout works; the fixed one is no worse
        ([30.0, 340.0] * 20, 360),
        ([30.0, 340.0, 50_000.0] * 20, 60),
    ],
)
def test_the_timeout_follows_from_the_recorded_gaps(gaps: list[float], seconds: float) -> None:
    assert timeout_seconds(histogram(*gaps), TERMS) == seconds


def test_a_higher_price_of_waiting_keeps_the_gpu_on_longer() -> None:
    known = histogram(*[500.0] * 20)
    patient = Terms(300, 60, 3600, boot_seconds=90, waiting_seconds=0)
    hasty = Terms(300, 60, 3600, boot_seconds=90, waiting_seconds=900)
    assert timeout_seconds(known, patient) < timeout_seconds(known, hasty) == 540
