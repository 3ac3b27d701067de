"""In any order of changes one driver at a time has a job, and its end is final."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.errors import JobFinished
from chalicelib.models.jobs.attempt import Attempt, attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.status import QUEUED, STARTING
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
    "enter the queue": lambda job, now: job.put_back(
        QUEUED, "waiting", due_at=job.deadline_at, sort_key=f"{1:015d}#job"
    ),
    "put back at once": lambda job, now: job.put_back(QUEUED, None, due_at=now),
    "begin": begin,
    "report": lambda job, now: job.report(
        {"value": 1, "max": 2}, queue_position=0, now=now, until=now + LEASE_SECONDS
    ),
    "succeed": lambda job, now: job.succeed([{"id": "x", "key": "x"}], now=now),
    "fail": lambda job, now: job.fail({"code": "x", "message": "x"}, now=now),
}
OUTSIDE = {  # changes that need no lease
    "expire": lambda now: Job.find("job").expire({"code": "expired", "message": "x"}, now=now),
    "move": lambda now: Job.find("job").move(f"{int(now) + 2:015d}#job"),
}
ACTIONS = ["claim", "claim", "take", "take", *OUTSIDE, *CHANGES]

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
        if action in OUTSIDE:
            return OUTSIDE[action](now)
        if action == "take":
            return job.claim_from_queue(lease, now=now, until=now + LEASE_SECONDS)
        if action == "claim":
            job.claim(lease, now=now, until=now + LEASE_SECONDS)
        else:
            CHANGES[action](job, now)
    except (LeaseLost, JobBusy, JobFinished):
        return False
    return True


def may(before: Job, lease: str, action: str, now: float) -> bool:
    """Return whether a job may be changed in this way, by a driver or without one."""
    is_free = before.lease is None or before.due_at <= now
    waits = bool(before.queue)
    is_late = before.slot_at is None and before.waits_until <= now
    return before.is_open and {
        "claim": before.lease == lease or before.due_at <= now + (0 if before.lease else 1),
        "take": waits and (is_free or before.lease == lease),
        "expire": waits and is_late and is_free,
        "move": waits and before.lease is None,
    }.get(action, before.lease == lease)


@settings(max_examples=60)
@given(steps=steps, place=st.sampled_from(["in the queue", "with a driver"]))
def test_only_the_driver_with_the_lease_changes_a_job_and_its_end_is_final(
    aws: None, steps: list[tuple[str, str, float]], place: str
) -> None:
    job = Job.new("job", now=0.0, due_at=0.0, parameters={}, wait_seconds=30)
    if place == "in the queue":
        job.enter_queue(f"{1:015d}#job")
    job.save()
    held: dict[str, Job] = {}
    now = 0.0
    for driver, action, seconds in steps:
        now += seconds
        before = Job.find("job")
        job = Job.find("job") if action == "claim" else Job("job")
        if action in CHANGES:
            if driver not in held or not held[driver].lease:
                continue  # a driver that never held a lease changes nothing
            job = held[driver]
        as_read, is_allowed = before.serialize(), may(before, driver, action, now)
        assert act(job, driver, action, now) is is_allowed, action
        if not is_allowed:
            assert stored("job") == as_read
            continue
        if action in ("claim", "take"):
            held[driver] = job
        check(before, Job.find("job"), action)


def check(before: Job, after: Job, action: str) -> None:
    """Check what holds after any change that was allowed."""
    assert after.status_shard == f"{after.status}#{after.shard}"
    assert (after.finished_at is None) == after.is_open == bool(after.due_shard)
    assert len(after.attempts) - len(before.attempts) == (action == "begin")
    if not after.is_open or action == "begin":
        assert after.queue is None
