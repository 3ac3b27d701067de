"""The progress of an execution that pollers see, and how often it is written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.progress import Reporter
from chalicelib.signals import LeaseLost
from tests.services.fakes import Clock


class Written(Job):
    """A job that counts how often it is written."""

    count = 0

    def report(self, *given: Any, **named: Any) -> None:
        self.count += 1
        super().report(*given, **named)


@pytest.fixture
def clock(aws: None) -> Clock:
    return Clock()


def driven(clock: Clock, position: int = 0) -> Written:
    """Return a job whose attempt was just submitted."""
    Job.new("01J", now=clock(), due_at=clock(), parameters={}).save()
    job = Written.find("01J")
    job.claim("driver", now=clock(), until=clock() + 10_000)
    made = Attempt(id=attempt_id("01J", 1), instance_id="i-1", started_at=clock(), reason="first")
    job.begin_attempt(made, queue_position=position)
    return job


def step(value: int) -> dict[str, Any]:
    return {"value": value, "max": 20, "node": "3"}


def test_progress_names_the_class_of_the_node(clock: Clock) -> None:
    report = Reporter(driven(clock), clock)
    clock.advance(1)
    report.heard(step(7))
    job = Job.find("01J")
    assert job.progress == {"value": 7, "max": 20, "node": "KSampler"}
    assert (job.status, job.queue_position, job.progressed_at) == ("running", 0, clock())


def test_a_node_that_is_not_in_the_workflow_is_named_by_its_id(clock: Clock) -> None:
    report = Reporter(driven(clock), clock)
    clock.advance(1)
    report.heard({"value": 0, "max": 1, "node": "77:2"})
    assert Job.find("01J").progress["node"] == "77:2"


def test_progress_is_written_at_most_once_a_second(clock: Clock) -> None:
    job = driven(clock)
    report = Reporter(job, clock)
    for value in range(200):
        clock.advance(0.05)
        report.heard(step(value))
    assert 9 <= job.count <= 10
    assert Job.find("01J").progress["value"] > 150


def test_unchanged_progress_is_not_written_again(clock: Clock) -> None:
    job = driven(clock)
    report = Reporter(job, clock)
    clock.advance(1)
    report.heard(step(1))
    for _ in range(20):
        clock.advance(5)
        report.heard(None)
        report.heard(step(1))
        report.seen(Waiting(0, attempt_id("01J", 1)), is_listening=True)
    assert job.count == 1


def test_a_message_without_progress_keeps_the_last_progress(clock: Clock) -> None:
    report = Reporter(driven(clock, position=1), clock)
    clock.advance(1)
    report.heard(step(3))
    clock.advance(1)
    report.heard(None)
    assert Job.find("01J").progress["value"] == 3


def test_the_position_in_the_queue_is_written_until_the_execution_begins(clock: Clock) -> None:
    report = Reporter(driven(clock, position=3), clock)
    for position, status in ((3, "queued"), (1, "queued"), (0, "running")):
        clock.advance(1)
        report.seen(Waiting(position, attempt_id("01J", 1)), is_listening=True)
        job = Job.find("01J")
        assert (job.queue_position, job.status) == (position, status)


def test_a_change_within_a_second_of_the_last_write_is_written_later(clock: Clock) -> None:
    report = Reporter(driven(clock, position=2), clock)
    clock.advance(0.5)
    report.seen(Waiting(1, attempt_id("01J", 1)), is_listening=True)
    assert Job.find("01J").queue_position == 2
    clock.advance(0.5)
    report.seen(Waiting(1, attempt_id("01J", 1)), is_listening=True)
    assert Job.find("01J").queue_position == 1


def test_a_driver_that_lost_its_lease_gets_an_error_at_the_next_write(clock: Clock) -> None:
    report = Reporter(driven(clock), clock)
    Job.find("01J").cancel({"code": "canceled"}, now=clock())
    clock.advance(1)
    with pytest.raises(LeaseLost):
        report.heard(step(1))
    assert Job.find("01J").progress is None


events = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0.2, 1.0, 30.0]), st.booleans()), max_size=15
)


@settings(max_examples=25)
@given(events=events)
def test_progress_writes_are_a_second_apart_and_match_what_was_seen(
    aws: None,
    events: list[tuple[int, float, bool]],
) -> None:
    clock = Clock()
    job = driven(clock, position=3)
    report, written_at, positions = Reporter(job, clock), clock(), {3}
    for position, seconds, is_heard in events:
        clock.advance(seconds)
        before, before_status = job.count, job.status
        if is_heard:
            report.heard(None)
        else:
            report.seen(Waiting(position, attempt_id("01J", 1)), is_listening=False)
        positions.add(0 if is_heard else position)
        if job.count > before:
            begins = before_status == "queued" and job.status == "running"
            assert begins or clock() - written_at >= 1
            written_at = clock()
    found = Job.find("01J")
    assert found.queue_position in positions
    assert (found.status == "running") == (found.queue_position == 0)
