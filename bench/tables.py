"""`python -m bench.tables`: print the tables of docs/benchmarks.md from bench/results.json."""

import json
from typing import Any

from local.stack.processes import ROOT

RESULTS = ROOT / "bench" / "results.json"

Results = dict[str, Any]

_OPERATIONS = {
    "generate, warm": "`generate` on a warm GPU",
    "generate, asynchronous": "`generate` with `respond-async`",
    "… with Idempotency-Key": "… with an `Idempotency-Key` too",
    "… the same again": "… the same again",
    "a batch of 100": "a batch of 100",
    "a worker and its image": "a worker that follows for 4 s, and makes one image",
    "the progress of the largest request": "writing the progress of the largest request",
    "a catalog": "reading a catalog",
    "a queued job": "reading a queued job",
    "a finished job": "reading a finished job",
    "1,000 jobs": "a list of 1,000 jobs",
    "a post beside those of another": "the images of a post beside 500 of another owner",
    "creating a schedule": "creating a schedule",
    "a schedule": "reading a schedule",
    "a run of a schedule": "a run of a schedule, which makes a job",
    "… delivered again": "… its message again",
    "deleting a schedule": "deleting a schedule",
}
_KINDS = {
    "interpreter": "Python alone",
    "chalice": "`import chalice`",
    "given_libraries": "Chalice, PynamoDB and requests",
    "app": "`import app`",
    "clients": "… and the clients of DynamoDB, S3, SQS and EC2",
    "catalog": "API function: a catalog",
    "job": "… a finished job",
    "jobs": "… a list of jobs",
    "generate": "… `generate` on a warm GPU",
    "generate_async": "… `generate` with `respond-async`",
    "authorizer": "authorizer: a valid key",
    "worker": "worker: a check that finds an empty queue",
    "runs": "runs: a schedule that does not exist",
    "reconciler": "reconciler: a round with one GPU",
    "reclaim": "reclaim: an unknown instance",
}


def calls(results: Results) -> list[str]:
    """Return a row for each operation, of its calls of AWS."""
    figures = ("dynamodb_calls", "other_calls", "round_trips", "waited_ms", "read_units")
    operations = results["calls"]["operations"]
    return [
        _row(label, *(f"{operations[name][figure]:,g}" for figure in (*figures, "write_units")))
        for name, label in _OPERATIONS.items()
    ]


def cold_starts(results: Results) -> list[str]:
    """Return a row for each kind of process, and of its calls once it is warm."""
    return [
        _row(
            _KINDS[name],
            *(f"{cold[each]:.2f}" for each in ("ratio", "cpu_ratio")),
            *(f"{cold[each]:.0f}" for each in ("ms", "cpu_ms")),
            *_warm(results["warm_calls"].get(name)),
        )
        for name, cold in results["cold_starts"].items()
    ]


def _warm(call: dict[str, float] | None) -> list[str]:
    return [f"{call[each]:.1f}" for each in ("ms", "cpu_ms")] if call else ["", ""]


def shares(results: Results) -> list[str]:
    """Return a row for each kind of event and size of memory."""
    return [
        _row(
            _KINDS[name].removeprefix("… "),
            f"{int(memory.removesuffix('_mb')):,}",
            *(f"{use['init_ms']:.0f} + {use['first_ms']:.0f}" for use in (late, early)),
            f"{late['cold_dollars_per_million']:.2f}, {early['cold_dollars_per_million']:.2f}",
            f"{early['warm_ms']:.1f}",
            f"{early['warm_dollars_per_million']:.2f}",
        )
        for name, sizes in results["shares"].items()
        for memory, (late, early) in _by_place(sizes)
    ]


def _by_place(sizes: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    return [(memory, (each["first_use"], each["init"])) for memory, each in sizes.items()]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    found = json.loads(RESULTS.read_text())
    for rows in (calls(found), cold_starts(found), shares(found)):
        print(*rows, "", sep="\n")
