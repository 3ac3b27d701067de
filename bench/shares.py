"""Compare where clients are made, and memory sizes: the first request with a share of one CPU.

Lambda gives a function's init a whole CPU, and its invocations a share that grows with its memory.
"""

import statistics
from pathlib import Path
from typing import Any

from bench.cold_start import invoke, prepared
from bench.deployed import Deployed
from bench.functions.kinds import Kind
from bench.functions.process import Measured

KINDS = ("authorizer", "catalog", "generate", "generate_async", "worker", "reconciler")
MEMORY = (512, 1024, 1769)
ROUNDS, CALLS = 5, 6
_WHOLE_CPU = 1769  # MB with which Lambda gives a function one CPU
_DOLLARS = 0.0000166667  # for a GB-second

Rounds = dict[str, list[Measured]]


def shares(package: Path, deployed: Deployed) -> dict[str, Any]:
    """Return what each kind of event costs, by megabytes of memory and where clients are made.

    `package` is unpacked.
    """
    events = prepared(package, deployed)
    found: dict[tuple[str, int, str], list[Measured]] = {}
    for _ in range(ROUNDS):
        for name in KINDS:
            for memory in MEMORY:
                for where in ("first_use", "init"):
                    measured = _measure(package, deployed, events[name], memory, where)
                    found.setdefault((name, memory, where), []).append(measured)
    return {
        name: {
            f"{memory}_mb": {
                where: _figures(found[name, memory, where], memory)
                for where in ("first_use", "init")
            }
            for memory in MEMORY
        }
        for name in KINDS
    }


def _measure(package: Path, deployed: Deployed, kind: Kind, memory: int, where: str) -> Measured:
    share = min(memory / _WHOLE_CPU, 1)
    return invoke(package, deployed, kind, CALLS, share=share, at_init=where == "init")


def _figures(rounds: list[Measured], memory: int) -> dict[str, float]:
    """Return median milliseconds, and the dollars of a million of each.

    That of an init is CPU time: it waits for nothing, and has a CPU of its own.
    """
    init = statistics.median(each.init[1] for each in rounds)
    first = statistics.median(each.calls[0][0] for each in rounds)
    warm = statistics.median(call[0] for each in rounds for call in each.calls[1:])
    price = memory / 1024 * _DOLLARS / 1000 * 1e6
    return {
        "init_ms": round(init, 1),
        "first_ms": round(first, 1),
        "cold_ms": round(init + first, 1),
        "warm_ms": round(warm, 1),
        "cold_dollars_per_million": round((init + first) * price, 2),
        "warm_dollars_per_million": round(warm * price, 2),
    }
