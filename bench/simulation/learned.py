"""How long an idle GPU waits for its next job, learned from how long the fleet was idle before.

As in "Serverless in the Wild" (ATC 2020): a histogram of idle gaps, here one that forgets. A gap
is from when the fleet fell idle until the next job, whether or not a GPU was on all the time.
"""

from __future__ import annotations

from math import floor

from msgspec import Struct

BIN_SECONDS = 60.0  # as often as the reconciler looks
BINS = 120  # longer gaps are all one: nobody waits two hours for the next job

_KEPT = 0.98  # of what each earlier gap counts, when one more comes: about the newest 50 matter
_FEWEST = 10.0  # gaps, below which nothing is said
_CLEAR = 0.9  # of what the fixed time-out is expected to cost; a pattern that saves less is unclear


class Terms(Struct, frozen=True):
    """The bounds of the time-out, and what a cold start is worth; all in seconds of idling."""

    fixed_seconds: float
    shortest_seconds: float
    longest_seconds: float
    boot_seconds: float
    waiting_seconds: float

    @property
    def cold_start_seconds(self) -> float:
        """A boot is paid for like idling, and somebody waits for it."""
        return self.boot_seconds + self.waiting_seconds


def remembered(gaps: list[float], gap_seconds: float) -> list[float]:
    """Return the histogram with one more gap; an empty list is one that knows none."""
    # Rounded down: to the nearest, a small number would stay itself for ever.
    faded = [floor(each * _KEPT * 1e4) / 1e4 for each in gaps or [0.0] * (BINS + 1)]
    faded[min(int(max(gap_seconds, 0.0) // BIN_SECONDS), BINS)] += 1.0
    return faded


def timeout_seconds(gaps: list[float], terms: Terms) -> float:
    """Return the time-out that the gaps speak for, or the fixed one if they do not clearly."""
    if sum(gaps) < _FEWEST:
        return terms.fixed_seconds
    costs = _costs(gaps, terms.cold_start_seconds)
    best = min(_allowed(terms), key=lambda bins: costs[bins], default=_bins(terms.fixed_seconds))
    if costs[best] > _CLEAR * costs[_bins(terms.fixed_seconds)]:
        return terms.fixed_seconds
    return best * BIN_SECONDS


def _costs(gaps: list[float], cold_start_seconds: float) -> list[float]:
    """Say for each time-out, in bins, what these gaps would have cost with it."""
    costs, kept, longer = [], 0.0, sum(gaps)
    for bins, count in enumerate(gaps):
        # What is stopped is stopped when the reconciler looks next, half a bin later on average.
        costs.append(kept + longer * ((bins + 0.5) * BIN_SECONDS + cold_start_seconds))
        kept += count * (bins + 0.5) * BIN_SECONDS
        longer -= count
    return costs


def _allowed(terms: Terms) -> range:
    shortest = -int(-terms.shortest_seconds // BIN_SECONDS)
    return range(shortest, _bins(terms.longest_seconds) + 1)


def _bins(seconds: float) -> int:
    return min(int(seconds // BIN_SECONDS), BINS)
