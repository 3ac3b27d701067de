"""The worlds that are explored: jobs, instances and followers."""

from chalicelib.models.jobs.priority import BATCH
from tests.explorer.run_worlds import RUN_WORLDS
from tests.explorer.world import Explored


class TwoJobs(Explored):
    """Two jobs of two owners come when a GPU is ready."""

    window = (0, 9)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))


class TwoGpus(TwoJobs):
    """Two jobs of two owners come when two GPUs are ready."""

    count = 2


class ColdStart(Explored):
    """Two jobs come when two instances are off, of which one may be on."""

    count = 2
    window = (0, 6)

    def set_up(self) -> None:
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))
        self.reconciler_at = self.scheduler.now + 1


class Inline(Explored):
    """A caller waits for its image while another job comes."""

    window = (0, 6)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=25))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))


class CancelAgainstSuccess(Explored):
    """A job is canceled when its image is ready."""

    window = (2, 7)

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(2, lambda: self.cancel(self.job_id()))


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

    def set_up(self) -> None:
        self.turn_on()
        self.at(120, lambda: self.request(caller="a", key=None, wait=0))


class HandOver(Explored):
    """A follower's time is over while a job runs, and another job waits."""

    window = (69, 78)
    run_seconds = 80

    def set_up(self) -> None:
        self.turn_on()
        self.reconciler_at += 25
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(69, lambda: self.request(caller="b", key=None, wait=0))


class DeadFollower(Explored):
    """A follower dies while a job runs, and another job waits."""

    window = (28, 40)
    run_seconds = 35

    def set_up(self) -> None:
        self.turn_on()
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))
        self.at(0, lambda: self.request(caller="b", key=None, wait=0))
        self.at(4, lambda: self.kill("worker i-1"))


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

    def set_up(self) -> None:
        self.turn_on()
        self.finish(
            self.request(caller="a", key=None, wait=0, priority=BATCH),
            self.request(caller="b", key=None, wait=0),
        )
        self.at(0, lambda: self.request(caller="a", key=None, wait=0))

    def limit_of(self, owner: str) -> int:
        return 4


WORLDS: dict[str, type[Explored]] = {
    "two-jobs": TwoJobs,
    "two-gpus": TwoGpus,
    "cold-start": ColdStart,
    "inline": Inline,
    "cancel-success": CancelAgainstSuccess,
    "cancel-start": CancelAgainstStart,
    "drain-job": DrainAgainstJob,
    "hand-over": HandOver,
    "dead-follower": DeadFollower,
    "same-key": SameKey,
    "last-image": LastImage,
    "batch-moves": BatchMoves,
    **RUN_WORLDS,
}
