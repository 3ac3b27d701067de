"""The cost of an operation grows neither with a request's texts nor with other owners' jobs."""

import pytest

from bench.calls.__main__ import Costs, many, schedules


@pytest.fixture(scope="module")
def costs() -> Costs:
    return many(others=60)


@pytest.fixture(scope="module")
def costs_of_schedules() -> Costs:
    return schedules()


def test_a_progress_write_of_the_largest_request_takes_at_most_four_units(costs: Costs) -> None:
    report = costs["the progress of the largest request"]
    assert (report["dynamodb_calls"], report["read_units"]) == (1, 0)
    # An item with a post id of 128 characters has more than 1 KB, which takes two units.
    assert 1 <= report["write_units"] <= 4


def test_a_list_of_jobs_reads_no_more_than_it_shows(costs: Costs) -> None:
    """A job is two items of less than 4 KB: one unit, as reads are eventually consistent."""
    listed = costs["1,000 jobs"]
    assert listed["shown"] >= 120
    assert listed["read_units"] <= 1.3 * listed["shown"]


def test_a_run_of_a_schedule_takes_few_calls_and_a_repeated_message_fewer(
    costs_of_schedules: Costs,
) -> None:
    costs = costs_of_schedules
    run, again = costs["a run of a schedule"], costs["… delivered again"]
    assert run["dynamodb_calls"] <= 11  # one of them calls a follower, if the GPU has none
    assert run["other_calls"] <= 1
    assert again["dynamodb_calls"] <= 2
    assert again["write_units"] == 0


def test_another_owners_jobs_add_nothing_to_the_cost_of_a_list(costs: Costs) -> None:
    with_few, with_many = many(others=1), costs
    name = "a post beside those of another"
    assert with_few[name] == with_many[name]
