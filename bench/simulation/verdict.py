"""Whether the learned timeout costs less than every fixed timeout with which jobs wait no longer.

Its rival is the cheapest fixed timeout with which jobs wait no longer on average. On one trace the
rival is chosen in hindsight, which no deployment can do. On all traces together it is a single
setting, as a default must be. A saving of less than 1 % is not a win.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.simulation.rows import Row

_WIN = 0.99


class Verdict(Struct, frozen=True):
    """The learned timeout and its rival, on some traces."""

    traces: str
    policy: str
    dollars: float
    wait_mean: float
    rival: str | None
    rival_dollars: float | None
    rival_wait_mean: float | None
    learned_wins: bool


def verdict(traces: str, learned: Sequence[Row], fixed: Iterable[Sequence[Row]]) -> Verdict:
    """Compare the rows of a learned policy with those of each fixed one, on the same traces."""
    dollars, waits = _sum(learned)
    able = [each for each in fixed if _sum(each)[1] <= waits]
    rival = min(able, key=_sum, default=None)
    their_dollars, their_waits = _sum(rival) if rival else (None, None)
    return Verdict(
        traces=traces,
        policy=learned[0].policy,
        dollars=dollars,
        wait_mean=waits,
        rival=rival[0].policy if rival else None,
        rival_dollars=their_dollars,
        rival_wait_mean=their_waits,
        learned_wins=their_dollars is None or dollars < their_dollars * _WIN,
    )


def _sum(rows: Sequence[Row]) -> tuple[float, float]:
    """Return the sum of the dollars, and the mean of the traces' mean waits."""
    waits = sum(each.wait_mean for each in rows) / len(rows)
    return round(sum(each.dollars for each in rows), 2), round(waits, 2)


def verdicts(learned: Sequence[Row], fixed: Sequence[Sequence[Row]]) -> list[Verdict]:
    """Compare on each trace, on all, and on all but one; rows have the same order of traces."""
    names = [each.trace for each in learned]
    some = {name: {name} for name in names} | {"all": set(names)}
    some |= {f"all but {name}": set(names) - {name} for name in names}
    return [
        verdict(title, _of(learned, traces), [_of(each, traces) for each in fixed])
        for title, traces in some.items()
    ]


def _of(rows: Sequence[Row], traces: set[str]) -> list[Row]:
    return [each for each in rows if each.trace in traces]


def lines(judged: Iterable[Verdict]) -> str:
    """Format the verdicts for a terminal."""
    return "\n".join(
        f"{each.traces:<18}{each.policy:<14}{each.dollars:>9.2f} $ {each.wait_mean:>8.2f} s   "
        f"{each.rival or 'no fixed one':<14}{each.rival_dollars or 0:>9.2f} $ "
        f"{each.rival_wait_mean or 0:>8.2f} s   {'wins' if each.learned_wins else 'loses'}"
        for each in judged
    )
