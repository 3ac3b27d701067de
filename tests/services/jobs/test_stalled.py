"""When a run counts as dead: it says nothing for too long, though it could be heard."""

from typing import Any, NamedTuple

import pytest

from chalicelib.config import config
from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.jobs.attempt import Attempt
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.lease import LEASE_SECONDS
from chalicelib.services.jobs.progress import Reporter
from chalicelib.signals import NoProgress
from tests.services.fakes import Clock

STALL = config.no_progress_seconds
OURS_ID, OTHER_ID = "01J".ljust(26, "0"), "01K".ljust(26, "0")
OURS, OTHER = f"{OURS_ID}-1", f"{OTHER_ID}-1"
RUNS = Waiting(0, OURS)


@pytest.fixture
def clock(aws: None) -> Clock:
    return Clock()


def running(clock: Clock, job_id: str = OURS_ID, position: int = 0) -> Job:
    """Return a job whose attempt was just submitted, under a lease of the usual length."""
    Job.new(job_id, now=clock(), due_at=clock(), parameters={}).save()
    job = Job.find(job_id)
    job.claim("driver", now=clock(), until=clock() + LEASE_SECONDS)
    made = Attempt(id=f"{job_id}-1", instance_id="i-1", started_at=clock(), reason="first")
    job.begin_attempt(made, queue_position=position)
    return job


def step(value: int) -> dict[str, Any]:
    return {"value": value, "max": 20, "node": "3"}


class Stall(NamedTuple):
    """After how many seconds which attempt counted as dead."""

    seconds: float
    attempt_id: str


def stall(
    report: Reporter, clock: Clock, state: Waiting = RUNS, *, is_listening: bool = True
) -> Stall | None:
    """Look at the queue every five seconds, until what runs counts as dead."""
    began = clock()
    while clock() - began < 3 * STALL:
        clock.advance(5)
        try:
            report.seen(state, is_listening=is_listening)
        except NoProgress as dead:
            return Stall(clock() - began, dead.attempt_id)
    return None


def test_an_execution_without_a_message_for_too_long_is_dead(clock: Clock) -> None:
    assert stall(Reporter(running(clock), clock), clock) == (STALL, OURS)


def test_every_message_restarts_the_limit(clock: Clock) -> None:
    report = Reporter(running(clock), clock)
    for sign in (None, step(1), step(1), None):
        clock.advance(STALL - 1)
        report.seen(RUNS, is_listening=True)
        report.heard(sign)
    assert stall(report, clock) == (STALL, OURS)


def test_an_execution_without_a_websocket_is_not_dead(clock: Clock) -> None:
    report = Reporter(running(clock), clock)
    assert stall(report, clock, is_listening=False) is None
    assert stall(report, clock) == (STALL, OURS)


def test_time_without_a_websocket_of_the_last_driver_does_not_count(clock: Clock) -> None:
    deaf = Reporter(running(clock), clock)
    assert stall(deaf, clock, is_listening=False) is None
    clock.advance(LEASE_SECONDS)
    found = Job.find(OURS_ID)
    found.claim("the next driver", now=clock(), until=clock() + LEASE_SECONDS)
    again = stall(Reporter(found, clock), clock)
    assert again is not None
    assert again.seconds >= STALL - 2 * LEASE_SECONDS


def test_the_time_without_a_message_continues_with_the_next_driver(clock: Clock) -> None:
    Reporter(running(clock), clock)
    clock.advance(STALL - 10)
    found = Job.find(OURS_ID)
    found.claim("the next driver", now=clock(), until=clock() + LEASE_SECONDS)
    assert stall(Reporter(found, clock), clock) == (10, OURS)


def test_a_job_that_moves_up_in_comfyuis_queue_finds_no_dead_execution(clock: Clock) -> None:
    report = Reporter(running(clock, position=9), clock)
    for position in range(9, 0, -1):
        clock.advance(STALL - 1)
        report.seen(Waiting(position, f"run {position}"), is_listening=True)
    # The time counts from the last move.
    assert stall(report, clock, Waiting(1, "run 1")) == (STALL, "run 1")


def test_a_job_behind_a_dead_execution_names_it(clock: Clock) -> None:
    running(clock, OTHER_ID)
    report = Reporter(running(clock, position=1), clock)
    assert stall(report, clock, Waiting(1, OTHER)) == (STALL, OTHER)
    assert stall(report, clock, Waiting(1, "a-b")) == (5, "a-b")


def test_a_job_behind_an_execution_with_progress_keeps_waiting(clock: Clock) -> None:
    other = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    for value in range(20):
        clock.advance(STALL - 10)
        other.heard(step(value))
        clock.advance(10)
        report.seen(Waiting(1, OTHER), is_listening=True)
    dead = stall(report, clock, Waiting(1, OTHER))
    assert dead, "the other one has made no progress since"
    assert (dead.attempt_id, dead.seconds <= STALL) == (OTHER, True)


def test_a_job_behind_an_execution_without_a_websocket_keeps_waiting(clock: Clock) -> None:
    deaf = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    for _ in range(3 * STALL // 5):
        clock.advance(5)
        deaf.seen(Waiting(0, OTHER), is_listening=False)
        report.seen(Waiting(1, OTHER), is_listening=True)
    dead = stall(report, clock, Waiting(1, OTHER))
    assert dead, "its driver has died, too"
    assert (dead.attempt_id, dead.seconds <= STALL + 5) == (OTHER, True)


def test_nothing_is_dead_while_comfyui_executes_nothing(clock: Clock) -> None:
    report = Reporter(running(clock, position=1), clock)
    assert stall(report, clock, Waiting(1, None)) is None
