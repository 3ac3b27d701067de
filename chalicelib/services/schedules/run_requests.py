"""Runs that callers ask for: now, or for a time that was missed."""

from collections.abc import Callable

from chalicelib.days import DAY_SECONDS
from chalicelib.errors import Conflict, InvalidRequest, NotFound, Unauthenticated
from chalicelib.models.jobs.acceptance import replay
from chalicelib.models.jobs.job import Job
from chalicelib.models.schedules.run import MISSED, Run, key_of
from chalicelib.models.schedules.schedule import Schedule
from chalicelib.services.schedules.conditions import check_overlap
from chalicelib.services.schedules.making import PAUSES, Moment, Repeat, RunMaker
from chalicelib.signals import ClaimRefused, NotMade

_MADE_UP_DAYS = 7


class RunRequests:
    """Makes runs for callers, who get an error if one cannot be made."""

    def __init__(
        self, maker: RunMaker, clock: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self._maker = maker
        self._clock = clock
        self._pause = pause

    def make(self, schedule_id: str, at: float | None, *, owner: str | None, repeat: Repeat) -> Run:
        """Make a run now, or make up the run of a time that was missed, once.

        Raise NotFound if there is no such schedule or run, Conflict if the run was not missed or
        the schedule's key is not valid, and the errors of `generate`.
        """
        for pause in PAUSES:
            self._pause(pause)
            schedule = Schedule.find(schedule_id, owner=owner)
            if run := self._made_before(schedule, repeat):
                return run
            try:
                return self._made(schedule, self._moment(schedule, at), repeat)
            except ClaimRefused:
                continue
        raise Conflict("other writers changed the schedule each time", suggestion="Try again")

    def _made_before(self, schedule: Schedule, repeat: Repeat) -> Run | None:
        if not repeat.key:
            return None
        jobs = replay(schedule.owner, repeat.key, repeat.fingerprint, now=self._clock())
        return _run_of(schedule, jobs[0]) if jobs else None

    def _made(self, schedule: Schedule, moment: Moment, repeat: Repeat) -> Run:
        try:
            check_overlap(schedule)
            [job, *_] = self._maker.make(schedule, moment, repeat)
        except NotMade as reason:
            raise Conflict(str(reason), suggestion="Wait until they have ended") from reason
        except Unauthenticated as error:
            raise Conflict(
                f"the schedule runs under the key that wrote it last, and {error}",
                suggestion="Write the schedule with PUT under a valid key",
            ) from error
        return _run_of(schedule, job)

    def _moment(self, schedule: Schedule, at: float | None) -> Moment:
        now = self._clock()
        if at is None:
            return Moment(now, key_of(now, is_manual=True), is_planned=False)
        if at < now - _MADE_UP_DAYS * DAY_SECONDS:
            raise InvalidRequest(
                f"scheduled_at must be within the last {_MADE_UP_DAYS} days", field="scheduled_at"
            )
        run = Run.find(schedule.id, key_of(at))
        if run is None:
            raise NotFound(
                f"the schedule has no run at {key_of(at)}",
                title="Run not found",
                suggestion="Use the scheduled_at of a run with the status missed",
            )
        if run.status != MISSED:
            raise Conflict(
                f"the run at {key_of(at)} was not missed: it is {run.status}",
                suggestion="Leave out scheduled_at to make a run now",
            )
        return Moment(at, run.scheduled_at, was_missed=True)


def _run_of(schedule: Schedule, job: Job) -> Run:
    run = Run.find(schedule.id, str(job.scheduled_at))
    if run is None:
        raise NotFound("the run is no longer kept", title="Run not found")
    return run
