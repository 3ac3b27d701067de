"""In any order of changes one driver at a time has a job, and its end is final."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import JobFinished
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import OPEN, QUEUED, STARTING
from chalicelib.signals import JobBusy, LeaseLost

DRIVERS = ("a", "b")
LEASE_SECONDS = 10.0


def begin(job: Job, now: float) -> None:
    made = Attempt(
        id=attempt_id(job.id, len(job.attempts) + 1),
        instance_id="i",
        started_at=now,
        reason="first",
    )
    job.begin_attempt(made, queue_position=0)


CHANGES: dict[str, Callable[[Job, float], None]] = {
    "put back": lambda job, now: job.put_back(STARTING, "booting", due_at=now + 2),
    "put back at once": lambda job, now: job.put_back(QUEUED, None, due_at=now),
    "begin": begin,
    "report": lambda job, now: job.report(
        {"value": 1, "max": 2}, queue_position=0, now=now, until=now + LEASE_SECONDS
    ),
    "succeed": lambda job, now: job.succeed([{"id": "x", "key": "x"}], now=now),
    "fail": lambda job, now: job.fail({"code": "x", "message": "x"}, now=now),
}
ACTIONS = ["claim", "claim", "make_due", *CHANGES]

steps = st.lists(
    st.tuples(
        st.sampled_from(DRIVERS), st.sampled_from(ACTIONS), st.sampled_from([0.0, 1.0, 11.0])
    ),
    min_size=1,
    max_size=12,
)


def stored(job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = Job.find(job_id).serialize()
    return found


def act(job: Job, lease: str, action: str, now: float) -> bool:
    """Do one action as a driver; return whether it was allowed."""
    try:
        if action == "claim":
            job.claim(lease, now=now, until=now + LEASE_SECONDS)
        elif action == "make_due":
            Job.find(job.id).make_due(now=now)
        else:
            CHANGES[action](job, now)
    except (LeaseLost, JobBusy, JobFinished):
        return False
    return True


@settings(max_examples=40)
@given(steps=steps)
def test_only_the_driver_with_the_lease_changes_a_job_and_its_end_is_final(
    aws: None, steps: list[tuple[str, str, float]]
) -> None:
    Job.new("job", now=0.0, due_at=0.0, parameters={}).save()
    held: dict[str, Job] = {}
    now = 0.0
    for driver, action, seconds in steps:
        now += seconds
        before = Job.find("job")
        if action == "claim":
            job = Job.find("job")
        elif action == "make_due" or (driver in held and held[driver].lease):
            job = held.get(driver, before)
        else:
            continue  # a driver that never held a lease changes nothing
        if not act(job, driver, action, now):
            assert stored("job") == before.serialize()
            continue
        assert before.status in OPEN
        if action == "claim":
            early = 0 if before.lease else 1
            assert before.lease == driver or before.due_at <= now + early
            held[driver] = job
        elif action != "make_due":
            assert before.lease == driver
        after = Job.find("job")
        assert after.status_shard == f"{after.status}#{after.shard}"
        assert (after.finished_at is None) == after.is_open
        assert len(after.attempts) - len(before.attempts) == (action == "begin")
