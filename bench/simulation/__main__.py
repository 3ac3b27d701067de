"""`make simulate`: compare idle timeouts on each pattern of jobs, and larger fleets."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from bench.simulation.optimum import optimum
from bench.simulation.policies import FIXED_SECONDS, AlwaysOn, Fixed, Learned, Policy, terms
from bench.simulation.rows import Row, row, table
from bench.simulation.settings import Setting
from bench.simulation.traces import DAYS, END, PATTERNS, RUN_SECONDS, Job, trace
from bench.simulation.verdict import lines, verdicts
from bench.simulation.world import World

RECORD = Path(__file__).parent.parent / "simulation.json"
SETTING = Setting()
SHOWN = ("always on", "fixed 5", "fixed 10", "fixed 60", "learned 300")
FLEETS = (1, 2, 4)
# In minutes, in finer steps up to 15.
FIXED = [f"fixed {quarters / 4:g}" for quarters in (*range(4, 60), *range(60, 241, 20))]
# What a cold start is worth, in seconds of idling. The middle value is that of the default timeout:
# five minutes of idling instead of a cold start.
WORTH = (200, 300, 600)
LEARNED = [f"learned {worth}" for worth in WORTH]


def _policy(name: str) -> Policy:
    kind, _, number = name.partition(" ")
    if kind == "fixed":
        return Fixed(60 * float(number))
    if kind == "learned":
        return Learned(terms(SETTING.boot_seconds, float(number) - SETTING.boot_seconds))
    return AlwaysOn()


def rows(name: str, jobs: list[Job], policies: Iterable[str]) -> dict[str, Row]:
    """Run policies on one trace; the last row is the optimum."""
    best = optimum(SETTING, jobs)
    found = {
        policy: row(name, policy, SETTING, World(SETTING, _policy(policy)).run(jobs, END), best)
        for policy in policies
    }
    return found | {"optimum": row(name, "optimum", SETTING, best, best)}


def scaled(jobs: list[Job], fleet_max: int) -> Row:
    """Run the fixed timeout on the bursty trace with a larger fleet."""
    setting = SETTING._replace(fleet_max=fleet_max)
    outcome = World(setting, Fixed(FIXED_SECONDS)).run(jobs, END)
    return row("bursty", f"fleet of {fleet_max}", setting, outcome, optimum(SETTING, jobs))


def simulate(seed: int) -> dict[str, list[Any]]:
    """Return the rows to show, the verdicts, and the runs with larger fleets."""
    traces = {name: trace(name, seed) for name in PATTERNS}
    policies = ("always on", *FIXED, *LEARNED)
    found = [rows(name, jobs, policies) for name, jobs in traces.items()]
    fixed = [[each[policy] for each in found] for policy in FIXED]
    learned = [[each[policy] for each in found] for policy in LEARNED]
    return {
        "rows": [each[policy] for each in found for policy in (*SHOWN, "optimum")],
        "verdicts": [judged for each in learned for judged in verdicts(each, fixed)],
        "scaling": [scaled(traces["bursty"], fleet_max) for fleet_max in FLEETS],
    }


def main() -> None:
    """Simulate, print, and record."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    found = simulate(seed)
    print(table(found["rows"]), table(found["scaling"]), lines(found["verdicts"]), sep="\n\n")
    given = {"seed": seed, "days": DAYS, "run_seconds": RUN_SECONDS, **SETTING._asdict()}
    RECORD.write_text(recorded(given, found["rows"], found["scaling"]))


def recorded(given: dict[str, Any], shown: list[Row], scaling: list[Row]) -> str:
    """Return the tables as JSON, with one row in each line."""
    parts = [f'"given": {json.dumps(given)}']
    for name, table_ in (("rows", shown), ("scaling", scaling)):
        lines_ = ",\n".join(json.dumps(to_builtins(each)) for each in table_)
        parts.append(f'"{name}": [\n{lines_}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
