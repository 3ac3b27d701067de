"""When an execution counts as dead: no message for too long, though the websocket is open."""

from typing import Any, NamedTuple

import pytest

from chalicelib.config import config
from chalicelib.gateways.comfyui.state import Waiting
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.lease import LEASE_SECONDS
from chalicelib.services.jobs.progress import Reporter
from chalicelib.services.jobs.retries import MOST_SUBMISSIONS
from chalicelib.signals import NoProgress
from tests.services.fakes import Clock

LIMIT = config.no_progress_seconds
OURS_ID, OTHER_ID = "01J".ljust(26, "0"), "01K".ljust(26, "0")
OURS, OTHER = attempt_id(OURS_ID, 1), attempt_id(OTHER_ID, 1)
RUNNING = Waiting(0, OURS)


@pytest.fixture
def clock(aws: None) -> Clock:
    return Clock()


def running(clock: Clock, job_id: str = OURS_ID, position: int = 0) -> Job:
    """Return a job whose attempt was just submitted, under a lease of the usual length."""
    Job.new(job_id, now=clock(), due_at=clock(), parameters={}).save()
    job = Job.find(job_id)
    job.claim("driver", now=clock(), until=clock() + LEASE_SECONDS)
    InstanceRecord("i-1").acquire_slot(job_id, now=clock())
    made = Attempt(id=attempt_id(job_id, 1), instance_id="i-1", started_at=clock(), reason="first")
    job.begin_attempt(made, queue_position=position)
    return job


def step(value: int) -> dict[str, Any]:
    return {"value": value, "max": 20, "node": "3"}


class DeadAttempt(NamedTuple):
    """The attempt that counted as dead, and after how many seconds."""

    seconds: float
    attempt_id: str


def find_dead(
    report: Reporter, clock: Clock, state: Waiting = RUNNING, *, is_listening: bool = True
) -> DeadAttempt | None:
    """Look at ComfyUI's queue every five seconds until the running attempt counts as dead."""
    began = clock()
    while clock() - began < 3 * LIMIT:
        clock.advance(5)
        try:
            report.seen(state, is_listening=is_listening)
        except NoProgress as dead:
            return DeadAttempt(clock() - began, dead.attempt_id)
    return None


def test_an_execution_without_messages_for_the_limit_has_no_progress(clock: Clock) -> None:
    assert find_dead(Reporter(running(clock), clock), clock) == (LIMIT, OURS)


def test_every_message_restarts_the_no_progress_limit(clock: Clock) -> None:
    report = Reporter(running(clock), clock)
    for sign in (None, step(1), step(1), None):
        clock.advance(LIMIT - 1)
        report.seen(RUNNING, is_listening=True)
        report.heard(sign)
    assert find_dead(report, clock) == (LIMIT, OURS)


def test_an_execution_without_a_websocket_does_not_count_as_without_progress(clock: Clock) -> None:
    report = Reporter(running(clock), clock)
    assert find_dead(report, clock, is_listening=False) is None
    assert find_dead(report, clock) == (LIMIT, OURS)


def test_time_without_a_websocket_of_the_last_driver_does_not_count(clock: Clock) -> None:
    no_websocket = Reporter(running(clock), clock)
    assert find_dead(no_websocket, clock, is_listening=False) is None
    clock.advance(LEASE_SECONDS)
    found = Job.find(OURS_ID)
    found.claim("the next driver", now=clock(), until=clock() + LEASE_SECONDS)
    again = find_dead(Reporter(found, clock), clock)
    assert again is not None
    assert again.seconds >= LIMIT - 2 * LEASE_SECONDS


def test_the_time_without_a_message_continues_with_the_next_driver(clock: Clock) -> None:
    Reporter(running(clock), clock)
    clock.advance(LIMIT - 10)
    found = Job.find(OURS_ID)
    found.claim("the next driver", now=clock(), until=clock() + LEASE_SECONDS)
    assert find_dead(Reporter(found, clock), clock) == (10, OURS)


def test_a_job_that_moves_up_in_comfyuis_queue_raises_no_progress_error(clock: Clock) -> None:
    report = Reporter(running(clock, position=9), clock)
    for position in range(9, 0, -1):
        clock.advance(LIMIT - 1)
        report.seen(Waiting(position, f"run {position}"), is_listening=True)
    # The limit counts from the last move.
    assert find_dead(report, clock, Waiting(1, "run 1")) == (LIMIT, "run 1")


def test_a_job_behind_an_execution_without_progress_names_that_execution(clock: Clock) -> None:
    running(clock, OTHER_ID)
    report = Reporter(running(clock, position=1), clock)
    assert find_dead(report, clock, Waiting(1, OTHER)) == (LIMIT, OTHER)
    assert find_dead(report, clock, Waiting(1, "a-b")) == (5, "a-b")


@pytest.mark.parametrize("number", [1, 2, MOST_SUBMISSIONS])
def test_any_attempt_of_a_job_with_progress_keeps_the_one_behind_it_waiting(
    clock: Clock, number: int
) -> None:
    other = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    for value in range(3):
        clock.advance(LIMIT)
        other.heard(step(value))
        report.seen(Waiting(1, attempt_id(OTHER_ID, number)), is_listening=True)


def test_the_attempt_of_a_job_without_a_slot_on_the_instance_shows_no_life(clock: Clock) -> None:
    other = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    InstanceRecord("i-1").release_slot(OTHER_ID)
    clock.advance(LIMIT)
    other.heard(step(1))
    with pytest.raises(NoProgress):
        report.seen(Waiting(1, OTHER), is_listening=True)


def test_a_job_behind_an_execution_with_progress_keeps_waiting(clock: Clock) -> None:
    other = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    for value in range(20):
        clock.advance(LIMIT - 10)
        other.heard(step(value))
        clock.advance(10)
        report.seen(Waiting(1, OTHER), is_listening=True)
    dead = find_dead(report, clock, Waiting(1, OTHER))
    assert dead, "the other execution has made no progress since"
    assert (dead.attempt_id, dead.seconds <= LIMIT) == (OTHER, True)


def test_a_job_behind_an_execution_without_a_websocket_keeps_waiting(clock: Clock) -> None:
    no_websocket = Reporter(running(clock, OTHER_ID), clock)
    report = Reporter(running(clock, position=1), clock)
    for _ in range(3 * LIMIT // 5):
        clock.advance(5)
        no_websocket.seen(Waiting(0, OTHER), is_listening=False)
        report.seen(Waiting(1, OTHER), is_listening=True)
    dead = find_dead(report, clock, Waiting(1, OTHER))
    assert dead, "the driver of the other execution writes nothing any more"
    assert (dead.attempt_id, dead.seconds <= LIMIT + 5) == (OTHER, True)


def test_no_progress_is_not_raised_while_comfyui_executes_nothing(clock: Clock) -> None:
    report = Reporter(running(clock, position=1), clock)
    assert find_dead(report, clock, Waiting(1, None)) is None
