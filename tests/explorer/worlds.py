"""The worlds that are explored: jobs, instances and followers."""

from functools import partial
from typing import Any, ClassVar

from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import BATCH
from chalicelib.services.billing.prices import hourly_price
from tests.explorer.run_worlds import RUN_WORLDS
from tests.explorer.stop_worlds import STOP_WORLDS
from tests.explorer.world import Explored
from tests.faults.scheduler import Outcome


class TwoJobs(Explored):
    """Two jobs of two owners come when a GPU is ready."""

    window = (0, 20)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))


class TwoGpus(TwoJobs):
    """Two jobs of two owners come when two GPUs are ready."""

    count = 2


class FreeGpu(Explored):
    """A driver on one GPU may die, while another GPU is free."""

    count = 2
    window = (0, 1)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(20, lambda: self.request(caller="b", key=None, wait=0))


class ColdStart(Explored):
    """Two jobs come when two instances are off, of which one may be on."""

    count = 2
    window = (0, 6)

    def set_up(self) -> None:
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))
        self.reconciler_at = self.scheduler.now


class Inline(Explored):
    """A caller waits for its image while another job comes."""

    window = (0, 6)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))


class TwoCallers(Explored):
    """Two callers wait for their images, for which there is one slot."""

    window = (0, 2)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(0, lambda: self.request(caller="b", key=None, wait=25))


class CancelAgainstCaller(Explored):
    """A job is canceled when it gets its slot, while its caller waits."""

    window = (0, 2)

    def set_up(self) -> None:
        self.turn_on()
        caller = self.request(caller="a", key=None, wait=25)
        self.scheduler.resume(self.run_until(caller, "PutItem jobs 01J"), Outcome.DONE)
        self.at(0, lambda: self.cancel(self.job_id()))


class SlowCaller(Explored):
    """The function that accepted a job may be slow, when the reconciler goes on with the job."""

    window = (0, 29)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=2))
        self.at(27.5, self._rescue)

    def _rescue(self) -> None:
        """Let the reconciler claim the job, and then stand still until the caller has gone on."""
        rescuer = self.reconcile()
        claims = self.run_until(rescuer, "UpdateItem jobs 01J")
        if rescuer.is_live:
            self.scheduler.resume(claims, Outcome.DONE)
            self.stand(rescuer, 2)


class CancelAgainstSuccess(Explored):
    """A job is canceled when its image is ready."""

    window = (3, 8)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(3, lambda: self.cancel(self.job_id()))


class CancelAgainstInline(Explored):
    """A job whose caller waits is canceled when its image is ready; a follower comes."""

    window = (3, 8)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(3, lambda: self.cancel(self.job_id()))


class CancelAgainstReport(Explored):
    """A job is canceled when its progress is stored."""

    window = (3, 8)
    slice_share = 8
    run_seconds = 6

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(3, lambda: self.cancel(self.job_id()))


class CancelAgainstStart(Explored):
    """A job is canceled when a follower takes it from the queue."""

    window = (0, 6)

    def set_up(self) -> None:
        self.turn_on()
        self.finish(self.request(caller="a", key=None, wait=0))
        job_id = self.job_id()
        self.at(0, lambda: self.cancel(job_id))


class DrainAgainstJob(Explored):
    """A job comes when the reconciler stops the idle instance."""

    window = (120, 126)
    ends_within = 400
    wait = 0

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(120, lambda: self.request(caller="a", key=None, wait=self.wait))


class DrainAgainstCaller(DrainAgainstJob):
    """A caller waits for its image when the reconciler stops the idle instance."""

    wait = 25


class HandOver(Explored):
    """A follower's time is over while a job runs, and another job waits."""

    window = (69, 78)
    run_seconds = 80
    ends_within = 260

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at += 60
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(69, lambda: self.request(caller="b", key=None, wait=0))
        self.at(75, self._hurry)

    def _hurry(self) -> None:
        """Let the second image take little time."""
        self.hosts[0].comfyui.run_seconds = 2


class CancelAgainstHandOver(HandOver):
    """A job is canceled when its follower's time is over."""

    def set_up(self) -> None:
        super().set_up()
        self.at(70, lambda: self.cancel(self.job_id()))


class DeadFollower(Explored):
    """A follower dies while a job runs, and another job waits."""

    window = (28, 40)
    run_seconds = 35

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))
        self.at(4, lambda: self.kill("worker i-1"))
        self.at(30, self._hurry)

    def _hurry(self) -> None:
        """Let the second image take little time."""
        self.hosts[0].comfyui.run_seconds = 2


class SameKey(Explored):
    """A request comes twice at once, with one Idempotency-Key."""

    window = (0, 4)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key="key1", wait=0))
        self.at(0, lambda: self.request(caller="a", key="key1", wait=0))


class LastImage(Explored):
    """Two requests want the last image of an allowance."""

    window = (0, 4)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))

    def limit_of(self, owner: str) -> int:
        return 1


class BatchMoves(Explored):
    """A job takes the turn of the owner's batch job, while a follower takes that."""

    window = (0, 4)
    script_is_first = True
    jobs = 1

    def set_up(self) -> None:
        self.turn_on()
        self.finish(self.request(caller="a", key=None, wait=0, priority=BATCH))
        for _ in range(self.jobs):
            self.at(0, lambda: self.request(caller="a", key=None, wait=0))

    def limit_of(self, owner: str) -> int:
        return 4


class BatchMovesTwice(BatchMoves):
    """Two jobs take the turn of the owner's batch job at once."""

    jobs = 2


class SlowDriver(Explored):
    """One job comes, whose driver and that which replaces it may be slow."""

    window = (0, 40)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))


class LongRun(SlowDriver):
    """A driver that may be slow is replaced while the image is made."""

    window = (2, 8)
    run_seconds = 60


class LateJob(Explored):
    """A job comes when the follower of another one may be slow to leave."""

    window = (4, 20)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(44, lambda: self.request(caller="b", key=None, wait=0))


class SlowStart(Explored):
    """The reconciler starts an instance, as the function that starts one may be slow."""

    count = 2
    window = (0, 6)

    def set_up(self) -> None:
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.reconciler_at = self.scheduler.now + 32


class Start(Explored):
    """A job comes when the instance is off."""

    window = (0, 3)

    def set_up(self) -> None:
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.reconciler_at = self.scheduler.now + 240


class SlowGrowth(SlowStart):
    """Two instances are needed, and EC2 has capacity for one; the function may be slow."""

    def set_up(self) -> None:
        super().set_up()
        self.fleet_max = 2
        self.hosts[1].is_scarce = True
        for host in self.hosts:
            InstanceRecord(host.id).update([InstanceRecord.execution_seconds.set(100)])


class SlowScarceStart(SlowStart):
    """EC2 has no capacity for a minute, and the function that starts an instance may be slow."""

    def set_up(self) -> None:
        super().set_up()
        self.ec2.scarce_until = self.scheduler.now + 60


class StillStopping(SlowStart):
    """The instance still stops when it is to be started, and the function may be slow."""

    count = 1

    def set_up(self) -> None:
        super().set_up()
        self.hosts[0].start(self.scheduler.now - 100)
        self.hosts[0].stop(self.scheduler.now)


class SameOwner(Explored):
    """Two requests of one owner come at once, when the queue is empty."""

    window = (0, 4)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))


class Boot(Explored):
    """A follower and the reconciler see that an instance has booted."""

    window = (50, 56)
    ends_within = 300

    def set_up(self) -> None:
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.reconciler_at = self.scheduler.now + 55


class TwoReconcilers(Explored):
    """The reconciler is called twice at once."""

    window = (60, 64)

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(self.window[0], self.reconcile)


class TwoReconcilersLater(TwoReconcilers):
    """The reconciler is called twice at once, a minute after it was called once."""

    window = (120, 124)


class TwoRescuers(Explored):
    """The reconciler is called twice when a driver has died before it made an attempt."""

    window = (51, 58)

    def set_up(self) -> None:
        self.turn_on()
        caller = self.request(caller="a", key=None, wait=25)
        self.scheduler.resume(self.run_until(caller, "TransactWriteItems"), Outcome.CRASHED)
        self.reconciler_at = self.scheduler.now + 51
        self.at(51, self.reconcile)


class OneJob(Explored):
    """One job comes, and the reconciler is called soon."""

    window = (0, 3)

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 10
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))


class SilentAgainstCancel(Explored):
    """A job is canceled when its ComfyUI does not answer."""

    window = (7, 16)
    run_seconds = 30

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        for seconds, is_up in ((3, False), (20, True)):
            self.at(seconds, partial(setattr, self.hosts[0].comfyui, "is_up", is_up))
        self.at(9, lambda: self.cancel(self.job_id()))


class LastSteps(LastImage):
    """Two requests want the last megapixel-steps of an allowance."""

    def limit_of(self, owner: str) -> int:
        return 2

    def steps_of(self, owner: str) -> float:
        return 8  # one image has 5.2


class SameKeyLastImage(LastImage):
    """A request for the last image of an allowance comes twice at once, with one key."""

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key="key1", wait=0))
        self.at(0, lambda: self.request(caller="a", key="key1", wait=0))


class Expiry(Explored):
    """A job has waited too long when a follower takes it at last."""

    window = (12, 18)

    def set_up(self) -> None:
        self.turn_on()
        self.finish(self.request(caller="a", key=None, wait=0))
        self.hold("i-1", 12)
        now, job = self.scheduler.now, Job.find(self.job_id())
        job.update([Job.waits_until.set(now + 1), Job.due_at.set(now + 1)])
        self.reconciler_at = now + 12


class LostSlot(Explored):
    """A job gets a slot and loses it, when the reconciler sees that its driver has died."""

    window = (0, 1)

    def set_up(self) -> None:
        self.turn_on()
        self.finish(self.request(caller="a", key=None, wait=0))
        now, job = self.scheduler.now, Job.find(self.job_id())
        dead = [Job.lease.set("dead"), Job.due_at.set(now - 11), Job.waits_until.set(now + 20)]
        job.update(dead)
        self.reconciler_at = now
        self.at(1, lambda: self.hosts[0].stop(self.scheduler.now))


class Deadline(Explored):
    """The deadline of an execution passes when its image is ready."""

    window = (9, 50)
    run_seconds = 10
    limits: ClassVar[dict[str, Any]] = {"execution_deadline_seconds": 10}

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))


class DeadlineAgainstCancel(Deadline):
    """A job is canceled when the deadline of its execution passes."""

    window = (9, 16)

    def set_up(self) -> None:
        super().set_up()
        self.at(10, lambda: self.cancel(self.job_id()))


class Rescue(Explored):
    """The reconciler and a follower find a job whose driver has died."""

    window = (51, 58)
    run_seconds = 70

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 51
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(1, lambda: self.kill("api"))
        self.at(2, lambda: self.hold("i-1 check", 49))
        self.at(51, lambda: self.cancel(self.job_id()))


class SilentTwice(Explored):
    """A ComfyUI does not answer for a moment, twice, while a job runs."""

    window = (66, 82)
    run_seconds = 80

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        for seconds, is_up in ((3, False), (6, True), (66, False), (78, True)):
            self.at(seconds, partial(setattr, self.hosts[0].comfyui, "is_up", is_up))


class Silent(Explored):
    """A ComfyUI does not answer for a moment, and the driver of a job on it may be slow."""

    window = (3, 14)
    run_seconds = 60

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        for seconds, is_up in ((3, False), (6, True)):
            self.at(seconds, partial(setattr, self.hosts[0].comfyui, "is_up", is_up))


class SilentOfTwo(Explored):
    """One of two ComfyUIs does not answer for some seconds, while a job runs on it."""

    count = 2
    window = (3, 14)
    run_seconds = 20

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        for seconds, is_up in ((3, False), (14, True)):
            self.at(seconds, partial(setattr, self.hosts[1].comfyui, "is_up", is_up))


class Restart(Explored):
    """A ComfyUI restarts at once, and loses an image that it makes."""

    window = (0, 6)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(1, self.hosts[0].comfyui.stop)
        for is_up in (True,):
            self.at(1, partial(setattr, self.hosts[0].comfyui, "is_up", is_up))


class SilentThenCancel(Silent):
    """A job is canceled when its ComfyUI answers again."""

    def set_up(self) -> None:
        super().set_up()
        self.at(10, lambda: self.cancel(self.job_id()))


class Scarce(Explored):
    """EC2 has no capacity at first, when two functions start an instance."""

    count = 2
    window = (0, 6)

    def set_up(self) -> None:
        self.ec2.scarce_until = self.scheduler.now + 30
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.reconciler_at = self.scheduler.now


class LastDollar(Explored):
    """Two jobs come when the budget of the day ends."""

    window = (60, 68)
    run_seconds = 4
    ends_within = 10_000

    def set_up(self) -> None:
        self.hosts[0].type = "g5.xlarge"
        self.dollars = 185 * (hourly_price("g5.xlarge") or 0) / 3600
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self._send_requests()
        self.at(150, self._cancel_all)  # no instance starts before midnight

    def _send_requests(self) -> None:
        self.at(61, lambda: self.request(caller="a", key=None, wait=0))
        self.at(62, lambda: self.request(caller="b", key=None, wait=0))

    def _cancel_all(self) -> None:
        for job in Job.scan(Job.finished_at.does_not_exist() & Job.status.exists()):
            self.cancel(str(job.id))


class LastDollarOfCaller(LastDollar):
    """A caller waits for its image when the budget of the day ends."""

    def _send_requests(self) -> None:
        self.at(62, lambda: self.request(caller="a", key=None, wait=25))


class WentOff(Explored):
    """An instance goes off by itself, and is started again for a job, while it is noted as off."""

    window = (60, 66)
    ends_within = 300

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at = self.scheduler.now + 60
        self.at(1, lambda: self.hosts[0].stop(self.scheduler.now))
        self.at(60, lambda: self.request(caller="a", key=None, wait=0))


WORLDS: dict[str, type[Explored]] = {
    "two-jobs": TwoJobs,
    "two-gpus": TwoGpus,
    "free-gpu": FreeGpu,
    "cold-start": ColdStart,
    "inline": Inline,
    "two-callers": TwoCallers,
    "cancel-caller": CancelAgainstCaller,
    "slow-caller": SlowCaller,
    "cancel-success": CancelAgainstSuccess,
    "cancel-inline": CancelAgainstInline,
    "cancel-start": CancelAgainstStart,
    "drain-job": DrainAgainstJob,
    "drain-caller": DrainAgainstCaller,
    "hand-over": HandOver,
    "dead-follower": DeadFollower,
    "same-key": SameKey,
    "last-image": LastImage,
    "batch-moves": BatchMoves,
    "batch-moves-twice": BatchMovesTwice,
    "one-job": OneJob,
    "slow-driver": SlowDriver,
    "late-job": LateJob,
    "slow-start": SlowStart,
    "slow-scarce-start": SlowScarceStart,
    "still-stopping": StillStopping,
    "cancel-report": CancelAgainstReport,
    "cancel-hand-over": CancelAgainstHandOver,
    "two-reconcilers-later": TwoReconcilersLater,
    "two-rescuers": TwoRescuers,
    "same-owner": SameOwner,
    "boot": Boot,
    "two-reconcilers": TwoReconcilers,
    "silent-cancel": SilentAgainstCancel,
    "last-steps": LastSteps,
    "same-key-last": SameKeyLastImage,
    "expiry": Expiry,
    "lost-slot": LostSlot,
    "start": Start,
    "deadline": Deadline,
    "deadline-cancel": DeadlineAgainstCancel,
    "long-run": LongRun,
    "slow-growth": SlowGrowth,
    "restart": Restart,
    "silent": Silent,
    "silent-then-cancel": SilentThenCancel,
    "rescue": Rescue,
    "silent-twice": SilentTwice,
    "silent-of-two": SilentOfTwo,
    "scarce": Scarce,
    "last-dollar": LastDollar,
    "last-dollar-caller": LastDollarOfCaller,
    "went-off": WentOff,
    **STOP_WORLDS,
    **RUN_WORLDS,
}
