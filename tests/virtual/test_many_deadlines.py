"""Ten thousand jobs whose time to wait is over at once."""

from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from tests.virtual.backlog import backlog
from tests.virtual.worlds import world_of

JOBS, WAIT_SECONDS = 10_000, 30
ENDED_SECONDS = 120


def test_ten_thousand_deadlines_that_pass_at_one_time_have_ended_two_minutes_later() -> None:
    waiting = backlog(JOBS, wait_seconds=WAIT_SECONDS)
    with world_of(0, backlog=waiting) as world:
        world.run(WAIT_SECONDS + ENDED_SECONDS)
        assert queue.is_empty()
        left = [each for shard in range(4) for each in Job.by_due.query(str(shard))]
        assert left == []
        expired = Job.find(f"{JOBS - 1:026d}")
        assert (expired.status, expired.error["code"]) == ("failed", "expired")
        assert queue.counted() <= JOBS // 100
