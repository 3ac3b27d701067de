"""The changes of a job, and which driver may make them."""

import pytest

from chalicelib.errors import JobFinished, NotFound
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import newest
from chalicelib.models.jobs.status import FAILED, QUEUED, RUNNING, STARTING, SUCCEEDED
from chalicelib.signals import JobBusy, LeaseLost

ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
IMAGES = [{"id": f"{ID}-0", "key": f"images/{ID}/0.png"}]
ERROR = {"code": "no_image", "message": "ComfyUI finished without an image"}


@pytest.fixture
def accepted(aws: None) -> None:
    """A job that is due at 100 and has no driver."""
    Job.new(ID, now=100.0, due_at=100.0, parameters={"seed": 1}).save()


def driver(lease: str, *, now: float = 100.0, until: float = 110.0) -> Job:
    """Claim the job, and return it as its driver sees it."""
    job = Job.find(ID)
    job.claim(lease, now=now, until=until)
    return job


def attempt(number: int) -> Attempt:
    return Attempt(id=attempt_id(ID, number), instance_id="i-1", started_at=101.0, reason="first")


def test_a_job_with_a_lease_cannot_be_claimed_by_another_driver(accepted: None) -> None:
    driver("a")
    with pytest.raises(JobBusy):
        Job.find(ID).claim("b", now=109.9, until=200.0)
    assert Job.find(ID).lease == "a"


def test_a_driver_can_extend_its_lease(accepted: None) -> None:
    job = driver("a", until=110.0)
    job.claim("a", now=105.0, until=150.0)
    assert Job.find(ID).due_at == 150.0


def test_a_lease_that_has_expired_can_be_taken_over(accepted: None) -> None:
    driver("a", until=110.0)
    driver("b", now=110.0, until=120.0)
    assert Job.find(ID).lease == "b"


def test_a_driver_whose_lease_was_taken_over_can_change_nothing(accepted: None) -> None:
    late = driver("a", until=110.0)
    driver("b", now=111.0, until=120.0)
    before = Job.find(ID).serialize()
    for change in (
        lambda: late.put_back(STARTING, "booting", due_at=500.0),
        lambda: late.begin_attempt(attempt(1), queue_position=0),
        lambda: late.report(None, queue_position=0, now=112.0, until=120.0),
        lambda: late.succeed(IMAGES, now=112.0),
        lambda: late.fail(ERROR, now=112.0),
    ):
        with pytest.raises(LeaseLost):
            change()
        assert Job.find(ID).serialize() == before


def test_a_driver_whose_lease_expired_can_write_until_another_driver_takes_over(
    accepted: None,
) -> None:
    late = driver("a", until=110.0)
    late.succeed(IMAGES, now=500.0)
    assert Job.find(ID).status == SUCCEEDED


def test_a_job_that_is_not_due_cannot_be_claimed(accepted: None) -> None:
    driver("a").put_back(STARTING, "the GPU instance is booting", due_at=130.0)
    with pytest.raises(JobBusy):
        Job.find(ID).claim("b", now=128.0, until=200.0)
    assert Job.find(ID).lease is None


def test_a_job_that_was_put_back_can_be_claimed_when_it_is_due(accepted: None) -> None:
    driver("a").put_back(STARTING, "the GPU instance is booting", due_at=130.0)
    waiting = Job.find(ID)
    assert (waiting.status, waiting.status_reason) == (STARTING, "the GPU instance is booting")
    assert driver("b", now=130.0, until=150.0).due_at == 150.0


def test_a_driver_that_has_put_a_job_back_can_no_longer_change_it(accepted: None) -> None:
    done = driver("a")
    stale = Job.find(ID)
    done.put_back(QUEUED, None, due_at=130.0)
    with pytest.raises(LeaseLost):
        stale.succeed(IMAGES, now=105.0)
    assert Job.find(ID).status == QUEUED


@pytest.mark.parametrize("ending", [SUCCEEDED, FAILED])
def test_a_job_that_has_ended_never_changes(accepted: None, ending: str) -> None:
    job, twin = driver("a"), Job.find(ID)
    if ending == SUCCEEDED:
        job.succeed(IMAGES, now=105.0)
    else:
        job.fail(ERROR, now=105.0)
    before = Job.find(ID).serialize()
    for change in (
        lambda: twin.put_back(QUEUED, None, due_at=0.0),
        lambda: twin.begin_attempt(attempt(1), queue_position=0),
        lambda: twin.report(None, queue_position=1, now=103.0, until=110.0),
        lambda: twin.succeed([], now=1.0),
        lambda: twin.fail({}, now=1.0),
    ):
        with pytest.raises(LeaseLost):
            change()
    with pytest.raises(JobFinished):
        Job.find(ID).claim("b", now=10.0**9, until=10.0**10)
    assert not Job.find(ID).claim_from_queue("b", now=10.0**9, until=10.0**10)
    assert not Job.find(ID).expire(ERROR, now=10.0**9)
    assert Job.find(ID).serialize() == before
    assert not Job.find(ID).is_open


def test_a_job_that_has_ended_keeps_its_images_and_drops_its_progress_and_lease(
    accepted: None,
) -> None:
    job = driver("a")
    job.begin_attempt(attempt(1), queue_position=2)
    job.report({"value": 1, "max": 2, "node": "KSampler"}, queue_position=0, now=103.0, until=110.0)
    job.succeed(IMAGES, now=105.0)
    found = Job.find(ID)
    assert (found.status, found.images, found.finished_at) == (SUCCEEDED, IMAGES, 105.0)
    assert (found.progress, found.queue_position, found.status_reason) == (None, None, None)
    assert (found.lease, found.error) == (None, None)


def test_attempts_are_stored_in_order_and_only_by_the_current_driver(accepted: None) -> None:
    job, twin = driver("a"), Job.find(ID)
    job.begin_attempt(attempt(1), queue_position=1)
    assert Job.find(ID).status == QUEUED
    job.begin_attempt(attempt(2), queue_position=0)
    with pytest.raises(LeaseLost):
        twin.begin_attempt(attempt(3), queue_position=0)
    found = Job.find(ID)
    assert [each.id for each in found.attempts] == [attempt_id(ID, 1), attempt_id(ID, 2)]
    assert (found.status, found.attempt and found.attempt.id) == (RUNNING, attempt_id(ID, 2))
    assert found.started_at == 101.0


def test_a_job_is_listed_only_under_its_current_status(accepted: None) -> None:
    job = driver("a")
    for change, status in (
        (lambda: job.begin_attempt(attempt(1), queue_position=3), QUEUED),
        (lambda: job.report(None, queue_position=0, now=103.0, until=110.0), RUNNING),
        (lambda: job.put_back(STARTING, None, due_at=100.0), STARTING),
        (lambda: driver("b").fail(ERROR, now=105.0), FAILED),
    ):
        change()
        for other in (QUEUED, STARTING, RUNNING, SUCCEEDED, FAILED):
            assert len([*newest(5, status=other)]) == (other == status), (status, other)


def test_a_job_that_was_never_accepted_is_not_found(aws: None) -> None:
    with pytest.raises(NotFound):
        Job.find(ID)
