"""ComfyUIs whose executions take time, and workers that go on with jobs."""

from collections.abc import Sequence
from typing import Any

from chalicelib.gateways.comfyui.state import Finished, State, Waiting
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.listing import found
from chalicelib.schemas.generation import GenerateRequest
from tests.services.fakes import SAVED, Clock, FakeComfyUI, Parts


class SlowComfyUI(FakeComfyUI):
    """Executes an attempt until `end` is called; forgets it when it is dropped."""

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        return self.known.get(attempt_id)

    def end(self, job_id: str, number: int = 1) -> None:
        self.known[attempt_id(job_id, number)] = Finished(SAVED, None, 2.0)

    def drop(self, attempt_id: str) -> bool:
        if isinstance(self.known.get(attempt_id), Waiting):
            del self.known[attempt_id]
        return super().drop(attempt_id)


class PacedComfyUI(FakeComfyUI):
    """Executes one prompt after another, `seconds` each; a call of `follow` takes one second."""

    def __init__(self, clock: Clock, seconds: float = 3) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds
        self.ends_at: dict[str, float] = {}
        self.jobs: dict[str, str] = {}

    def submit(self, attempt_id: str, graph: dict[str, Any], outputs: Sequence[str]) -> None:
        super().submit(attempt_id, graph, outputs)
        self.jobs[attempt_id] = graph["9"]["inputs"]["filename_prefix"].split("/")[1]
        self.ends_at[attempt_id] = max([self.clock(), *self.ends_at.values()]) + self.seconds

    def find(self, attempt_id: str, seconds: float = 5) -> State:
        if attempt_id not in self.ends_at:
            return None
        before = sum(self.clock() < end < self.ends_at[attempt_id] for end in self.ends_at.values())
        is_over = self.ends_at[attempt_id] <= self.clock()
        return Finished(SAVED, None, self.seconds) if is_over else Waiting(before)

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        self.clock.advance(1)
        return self.find(attempt_id)

    @property
    def made(self) -> list[str]:
        """The ids of the jobs whose images are made, in order."""
        return [self.jobs[each] for each, at in self.ends_at.items() if at <= self.clock()]


class Workers:
    """Goes on with jobs as followers do, with one at a time, each when it is due."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def work(self) -> bool:
        """Drive the next job; return whether there was one."""
        clock = self.parts.clock
        held = {job for each in InstanceRecord.all() for job in each.slot_holders}
        waiting = sorted((float(job.due_at), job.id) for job in found(held) if job.is_open)
        if waiting and waiting[0][0] > clock() and self.parts.take(clock() + 70):
            return True
        if not waiting:
            return self.parts.take(clock() + 70) is not None
        due_at, job_id = waiting[0]
        clock.now = max(clock.now, due_at)
        self.parts.work(job_id)
        return True


def acquire_slot(job_id: str, instance_id: str = "i-1") -> bool:
    """Give a job a slot, without a check of the job."""
    return InstanceRecord(instance_id).acquire_slot(job_id, now=0)


def slot_holders(instance_id: str = "i-1") -> set[str]:
    """Return the ids of the jobs that have a slot on an instance."""
    return InstanceRecord.read(instance_id).slot_holders


def accept_jobs(parts: Parts, count: int = 1, **how: Any) -> list[str]:
    """Accept jobs asynchronously; return their ids."""
    return [job.id for job in parts.submit(wait_seconds=0, count=count, **how)]


def request_expiring_in(seconds: int) -> GenerateRequest:
    """Return a request whose job waits for a slot for this long at most."""
    return GenerateRequest(prompt="a fox", expires_in_seconds=seconds)


def work_all(parts: Parts, job_ids: list[str]) -> list[str]:
    """Have followers go on with each of the jobs; return their statuses."""
    return [parts.work(job_id).status for job_id in job_ids]


class HungComfyUI(SlowComfyUI):
    """Accepts every prompt and ends none; records until when each is followed."""

    def __init__(self) -> None:
        super().__init__()
        self.untils: list[float] = []

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        self.untils.append(until)
        return self.known.get(attempt_id)
