"""What a run needs: an enabled schedule, a message in time, no overlap and no row of failures."""

from collections.abc import Iterable, Iterator
from itertools import islice, takewhile

from msgspec import Struct

from chalicelib.models.jobs.listing import found
from chalicelib.models.jobs.status import SUCCEEDED
from chalicelib.models.schedules.run import LATE, MADE, MISSED, REFUSED, SKIPPED, Run
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.models.schedules.state import COMPLETED, ENABLED
from chalicelib.schemas.schedules import SKIP
from chalicelib.services.schedules.timetables import is_planned
from chalicelib.signals import NotMade

_MINUTE = 60

# Runs that are looked at, at most, for those that ended without an image.
_LOOKED_AT = 200


class Delivery(Struct, frozen=True):
    """A message of EventBridge Scheduler; times are seconds since the epoch.

    `sent_at` is when SQS got it.
    """

    schedule_id: str
    at: float
    sent_at: float


def check_state(schedule: Schedule, delivery: Delivery) -> None:
    """Raise NotMade if the schedule is stopped, or was changed after the scheduled time.

    A schedule is completed when its last run counts as never delivered, which may come after all.
    """
    if schedule.state not in (ENABLED, COMPLETED):
        raise NotMade(SKIPPED, str(schedule.state), f"the schedule is {schedule.state}")
    # AWS may not know the last change yet, and still have the times before it.
    may_be_outdated = schedule.may_be_outdated_in_aws(delivery.at)
    is_outdated = may_be_outdated and not is_planned(schedule, delivery.at)
    if delivery.at < schedule.written_at or is_outdated:
        raise NotMade(SKIPPED, "changed", "the schedule was changed after this time")


def check_delay(schedule: Schedule, delivery: Delivery) -> None:
    """Raise NotMade if AWS delivered the run too late; how long it then waited does not count."""
    minute_ends = delivery.at - delivery.at % _MINUTE + _MINUTE
    late = delivery.sent_at - minute_ends
    if late > schedule.missed_window_minutes * _MINUTE:
        raise NotMade(
            MISSED,
            LATE,
            f"it was delivered {late / _MINUTE:.0f} minutes late, and missed_window_minutes is"
            f" {schedule.missed_window_minutes:.0f}",
        )


def check_overlap(schedule: Schedule) -> None:
    """Raise NotMade if jobs of the last run are open and runs must not overlap."""
    if schedule.overlap == SKIP and any(each.is_open for each in found(schedule.last_job_ids)):
        raise NotMade(SKIPPED, "overlap", f"jobs of run {schedule.number:.0f} are still open")


def has_failed_too_often(schedule: Schedule) -> bool:
    """Return whether the last `pause_after_failures` runs ended without an image.

    Only runs since the schedule was last written count, so that a schedule that is resumed runs.
    Runs that were skipped or missed, and runs whose jobs are open, do not count.
    """
    most = schedule.pause_after_failures
    if most is None:
        return False
    ended = _ended(Run.newest_since(schedule.id, _LOOKED_AT, at=schedule.written_at))
    return len(list(takewhile(bool, islice(ended, int(most))))) == most


def _ended(runs: Iterable[Run]) -> Iterator[bool]:
    """Yield for each run that ended whether it has no image."""
    for run in runs:
        if run.status == REFUSED:
            yield True
        elif run.status == MADE:
            jobs = found(run.job_ids)
            if any(job.status == SUCCEEDED for job in jobs):
                yield False
            elif jobs and not any(job.is_open for job in jobs):  # jobs expire, too
                yield True
