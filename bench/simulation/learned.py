"""An idle timeout that is learned from how long the fleet was idle before.

As in "Serverless in the Wild" (ATC 2020), with a histogram of idle gaps, in which older gaps count
less. A gap is the time from when the fleet becomes idle until the next job, with GPUs on or off.
"""

from __future__ import annotations

from math import floor

from msgspec import Struct

BIN_SECONDS = 60.0  # the interval of the reconciler
BINS = 120  # longer gaps share one bin: no timeout is as long as two hours

_KEPT = 0.98  # factor of earlier gaps for each new gap: about the newest 50 matter
_FEWEST = 10.0  # gaps, below which the fixed timeout applies
_CLEAR = 0.9  # share of the fixed timeout's expected cost, above which the fixed timeout applies


class Terms(Struct, frozen=True):
    """The bounds of the timeout, and what a cold start is worth; all in seconds of idling."""

    fixed_seconds: float
    shortest_seconds: float
    longest_seconds: float
    boot_seconds: float
    waiting_seconds: float

    @property
    def cold_start_seconds(self) -> float:
        """The cost of a cold start: a boot, billed like idling, and a caller's waiting."""
        return self.boot_seconds + self.waiting_seconds


def remembered(gaps: list[float], gap_seconds: float) -> list[float]:
    """Return the histogram with one more gap; an empty list is an empty histogram."""
    # Rounded down, because with rounding to the nearest a small number would never shrink.
    faded = [floor(each * _KEPT * 1e4) / 1e4 for each in gaps or [0.0] * (BINS + 1)]
    faded[min(int(max(gap_seconds, 0.0) // BIN_SECONDS), BINS)] += 1.0
    return faded


def timeout_seconds(gaps: list[float], terms: Terms) -> float:
    """Return the timeout that the gaps make cheapest; the fixed one if it saves too little."""
    if sum(gaps) < _FEWEST:
        return terms.fixed_seconds
    costs = _costs(gaps, terms.cold_start_seconds)
    best = min(_allowed(terms), key=lambda bins: costs[bins], default=_bins(terms.fixed_seconds))
    if costs[best] > _CLEAR * costs[_bins(terms.fixed_seconds)]:
        return terms.fixed_seconds
    return best * BIN_SECONDS


def _costs(gaps: list[float], cold_start_seconds: float) -> list[float]:
    """Return for each timeout, in bins, what these gaps would have cost with it."""
    costs, kept, longer = [], 0.0, sum(gaps)
    for bins, count in enumerate(gaps):
        # The reconciler stops an instance half a bin after its timeout on average.
        costs.append(kept + longer * ((bins + 0.5) * BIN_SECONDS + cold_start_seconds))
        kept += count * (bins + 0.5) * BIN_SECONDS
        longer -= count
    return costs


def _allowed(terms: Terms) -> range:
    shortest = -int(-terms.shortest_seconds // BIN_SECONDS)
    return range(shortest, _bins(terms.longest_seconds) + 1)


def _bins(seconds: float) -> int:
    return min(int(seconds // BIN_SECONDS), BINS)
