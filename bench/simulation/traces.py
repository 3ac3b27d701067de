"""Made-up jobs of 14 days, from a seed: when they arrive and how long they run."""

import math
import random
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

DAYS = 14
DAY = 86_400.0
HOUR = 3_600.0
END = DAYS * DAY

RUN_SECONDS = 8.0
_RUN_SPREAD = 0.25  # sigma of the logarithm


class Job(NamedTuple):
    """One image."""

    arrives: float
    run_seconds: float


def trace(name: str, seed: int) -> list[Job]:
    """Return the jobs of a pattern, in the order of their arrival."""
    rng = random.Random(f"{name} {seed}")  # noqa: S311  # nothing secret
    arrivals = sorted(each for each in PATTERNS[name](rng) if each < END)
    return [Job(at, RUN_SECONDS * math.exp(rng.gauss(0, _RUN_SPREAD))) for at in arrivals]


def _poisson(rng: random.Random, begin: float, end: float, mean_seconds: float) -> Iterator[float]:
    at = begin + rng.expovariate(1 / mean_seconds)
    while at < end:
        yield at
        at += rng.expovariate(1 / mean_seconds)


def _steady(rng: random.Random) -> Iterator[float]:
    """Yield one job in 2 minutes from 9:00 to 17:00, Monday to Friday."""
    for day in range(DAYS):
        if day % 7 < 5:
            yield from _poisson(rng, day * DAY + 9 * HOUR, day * DAY + 17 * HOUR, 120)


def _bursty(rng: random.Random) -> Iterator[float]:
    """Yield four bursts a day of 20 to 200 jobs, which are a second apart on average."""
    for begin in _poisson(rng, 0, END, DAY / 4):
        at = begin
        for _ in range(rng.randint(20, 200)):
            yield at
            at += rng.expovariate(1)


def _daily(rng: random.Random) -> Iterator[float]:
    """Yield jobs by a sine of a day: one in 2 minutes at noon, none at midnight."""
    for at in _poisson(rng, 0, END, 120):
        if rng.random() < (1 - math.cos(2 * math.pi * at / DAY)) / 2:
            yield at


def _sparse(rng: random.Random) -> Iterator[float]:
    """Return five jobs a day, at any time."""
    return _poisson(rng, 0, END, DAY / 5)


def _scheduled(rng: random.Random) -> Iterator[float]:
    """Yield a batch of 300 jobs at 02:00 each night, and ten other jobs a day."""
    for day in range(DAYS):
        yield from (day * DAY + 2 * HOUR + each * 0.1 for each in range(300))
    yield from _poisson(rng, 0, END, DAY / 10)


def _regular(rng: random.Random) -> Iterable[float]:
    """Return one job every 7 minutes, within a second."""
    return (each * 420 + rng.random() for each in range(int(END // 420)))


PATTERNS: dict[str, Callable[[random.Random], Iterable[float]]] = {
    "steady": _steady,
    "bursty": _bursty,
    "daily": _daily,
    "sparse": _sparse,
    "scheduled": _scheduled,
    "regular": _regular,
}
