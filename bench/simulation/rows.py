"""The rows of the report: what a policy cost on a trace, and how long its jobs waited."""

from __future__ import annotations

from statistics import fmean, median, quantiles
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from bench.simulation.settings import Setting
    from bench.simulation.world import Outcome


class Row(Struct, frozen=True):
    """Dollars and hours of two weeks, and seconds that jobs waited before they ran."""

    trace: str
    policy: str
    dollars: float
    booting_hours: float
    busy_hours: float
    idle_hours: float
    starts: int
    wait_mean: float
    wait_median: float
    wait_p95: float
    ratio: float  # of its cost to the optimum's


def row(trace: str, policy: str, setting: Setting, outcome: Outcome, best: Outcome) -> Row:
    """Sum up an outcome, with its ratio to the optimum."""
    spent, waits = outcome
    return Row(
        trace,
        policy,
        dollars=round(spent.seconds / 3600 * setting.dollars_an_hour, 2),
        booting_hours=round(spent.booting / 3600, 2),
        busy_hours=round(spent.busy / 3600, 2),
        idle_hours=round(spent.idle / 3600, 2),
        starts=spent.starts,
        wait_mean=round(fmean(waits), 2),
        wait_median=round(median(waits), 1),
        wait_p95=round(quantiles(waits, n=20)[-1], 1),
        ratio=round(spent.seconds / best.spent.seconds, 2),
    )


_HEAD = ("trace", "policy", "dollars", "boot h", "busy h", "idle h", "starts", "wait mean")
_HEAD += ("median", "p95 s", "/optimum")


def table(rows: list[Row]) -> str:
    """Format the rows for a terminal."""
    lines = [_HEAD, *((*_values(each),) for each in rows)]
    return "\n".join("".join(_cell(value, at) for at, value in enumerate(line)) for line in lines)


def _values(row: Row) -> list[object]:
    return [getattr(row, name) for name in row.__struct_fields__]


def _cell(value: object, at: int) -> str:
    if at < 2:
        return f"{value:<18}"
    return f"{value:>10.2f}" if isinstance(value, float) else f"{value:>10}"
