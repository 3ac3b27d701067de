"""Dispatch and polls cost the same however many jobs wait, and however many GPUs there are."""

import json

import pytest

from bench.calls.queued import SIZES, Costs, costs
from local.stack.processes import ROOT

START, POLL, OLD_POLL = "starting the next job", "a queued job", "a queued job, old snapshot"
ACCEPT, STATUS, ROUND = "accepting a job", "comfyui/status", "a round of the reconciler"
HOP = "a hop of 25 s"
FIGURES = ("dynamodb_calls", "read_units", "write_units")
LIST = "a list of 50 jobs of 1 KB"


RECORDED = json.loads((ROOT / "bench/results.json").read_text())["calls"]["while_jobs_wait"]


@pytest.fixture(scope="module")
def by_size() -> dict[str, Costs]:
    return {name: costs(*size) for name, size in SIZES.items()}


def each(by_size: dict[str, Costs], operation: str, figure: str) -> list[float]:
    return [costs[operation][figure] for costs in by_size.values()]


@pytest.mark.parametrize("operation", [START, POLL, OLD_POLL, ACCEPT, STATUS, HOP])
def test_an_operation_takes_the_same_calls_for_any_number_of_jobs_and_gpus(
    by_size: dict[str, Costs], operation: str
) -> None:
    first, *others = (found[operation]["calls"] for found in by_size.values())
    assert first
    assert others == [first] * len(others)


def test_starting_the_next_job_takes_six_calls_and_reads_the_head_of_the_queue_once(
    by_size: dict[str, Costs],
) -> None:
    assert each(by_size, START, "dynamodb_calls") == [6] * len(SIZES)
    assert max(each(by_size, START, "read_units")) <= 2
    assert max(each(by_size, START, "write_units")) <= 12


def test_reading_a_queued_job_takes_at_most_three_calls_and_five_units(
    by_size: dict[str, Costs],
) -> None:
    assert each(by_size, POLL, "dynamodb_calls") == [1] * len(SIZES)
    assert max(each(by_size, OLD_POLL, "dynamodb_calls")) <= 3
    for operation in (POLL, OLD_POLL):
        assert max(each(by_size, operation, "read_units")) <= 5


def test_a_hop_of_25_seconds_takes_two_writes_and_at_most_20_cheap_reads(
    by_size: dict[str, Costs],
) -> None:
    assert max(each(by_size, HOP, "dynamodb_calls")) <= 21
    assert max(each(by_size, HOP, "read_units")) <= 10
    assert each(by_size, HOP, "write_units") == [2] * len(SIZES)


def test_the_status_of_the_gpus_takes_three_calls(by_size: dict[str, Costs]) -> None:
    assert max(each(by_size, STATUS, "dynamodb_calls")) <= 3


def test_a_list_of_50_jobs_of_1_kb_takes_at_most_60_read_units(by_size: dict[str, Costs]) -> None:
    assert max(each(by_size, LIST, "read_units")) <= 60


def test_a_round_of_the_reconciler_costs_as_much_with_many_jobs_as_with_few(
    by_size: dict[str, Costs],
) -> None:
    few, many = costs(10, 7)[ROUND], by_size["100,000 jobs, 7 GPUs"][ROUND]
    assert many["calls"] == few["calls"]
    assert many["read_units"] <= few["read_units"] + 4  # the first hundred jobs of the queue


def test_the_recorded_costs_are_those_of_the_current_code_and_are_stated(
    by_size: dict[str, Costs],
) -> None:
    """Those of a list depend on ids, which are spread over shards."""
    stated = (ROOT / "docs/benchmarks.md").read_text()
    for operation in (START, OLD_POLL, POLL, STATUS, ACCEPT, HOP, ROUND):
        found = [costs[operation] for costs in by_size.values()]
        assert found == [costs[operation] for costs in RECORDED.values()]
        cells = [", ".join(f"{each[name]:g}" for name in FIGURES) for each in found]
        assert f"\n| {operation} | {' | '.join(cells)} |\n" in stated
