"""A job that is canceled at any step of its driver ends once and leaves nothing behind."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.errors import JobFinished
from chalicelib.gateways.comfyui.state import Finished, State
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.listing import found
from chalicelib.services.jobs.lease import LEASE_SECONDS
from tests.services.fakes import SAVED, Parts
from tests.services.interfering import Crash, check_canceled, watch
from tests.services.workers import SlowComfyUI, Workers, accept_jobs, slot_holders


class QuickComfyUI(SlowComfyUI):
    """Finishes an attempt with an image as soon as it is followed, unless it was dropped."""

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if attempt_id in self.known:
            self.known[attempt_id] = Finished(SAVED, None, 2.0)
        return self.known.get(attempt_id)


class Race:
    """A worker whose job is canceled at one of its steps, and which crashes at another."""

    def __init__(self, cancel_at: int, crash_at: int | None) -> None:
        self.parts, self.cancel_at, self.crash_at = Parts(QuickComfyUI()), cancel_at, crash_at
        [self.job_id] = accept_jobs(self.parts)
        self.outcome, self.steps = "", 0
        watch(self.parts.comfyui, "find", "events", "submit", "follow", "image", step=self.step)
        watch(self.parts.images, "put", step=self.step)
        watch(self.parts.inventory, "observe_server", "serving", step=self.step)
        watch(self.parts.dispatcher, "take", "acquire", step=self.step)

    def run(self) -> None:
        workers, is_working = Workers(self.parts), True
        while is_working:
            try:
                is_working = workers.work()
            except Crash:  # the next follower goes on when the lease of the job has ended
                self.parts.clock.advance(LEASE_SECONDS)
        self.crash_at = None
        self.cancel()
        while workers.work():
            pass
        self.clean_up()

    def clean_up(self) -> None:
        """Free the slots of ended jobs, as a follower does when its instance is looked at."""
        for job in found(slot_holders()):
            assert not job.is_open
            self.parts.cleanup.ended(job)
            InstanceRecord("i-1").release_slot(job.id)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.cancel_at:
            self.cancel()
        elif self.steps == self.crash_at:
            raise Crash

    def cancel(self) -> None:
        try:
            outcome = self.parts.cancellation.cancel(self.job_id).status
        except JobFinished:
            outcome = "finished"
        assert outcome == (self.outcome or outcome)
        self.outcome = outcome


@settings(max_examples=60)
@given(cancel_at=st.integers(1, 24), crash_at=st.integers(1, 24) | st.none())
@example(cancel_at=99, crash_at=None)
@example(cancel_at=99, crash_at=9)
def test_a_job_that_is_canceled_at_any_step_ends_once_and_leaves_nothing(
    aws: None, cancel_at: int, crash_at: int | None
) -> None:
    race = Race(cancel_at, crash_at)
    race.run()
    assert slot_holders() == set()
    if race.outcome == "canceled":
        return check_canceled(race.parts, race.job_id)
    job = Job.find(race.job_id)
    assert (race.outcome, job.status) == ("finished", "succeeded")
    assert [*race.parts.images.stored] == [each["key"] for each in job.images]
    return None
