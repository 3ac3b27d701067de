"""Darkroom's functions on a virtual clock: GPUs, SQS with workers, callers, and a reconciler."""

from heapq import heappop, heappush
from itertools import count
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace
from ulid import ULID

from chalicelib.bootstrap import Services
from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable
from chalicelib.gateways.comfyui.state import Finished, State, Waiting
from chalicelib.gateways.ec2 import Instance
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs import queue
from chalicelib.models.jobs.job import Job
from chalicelib.services.billing.budget import Budget
from tests.services.bucket import FakeImages
from tests.services.fakes import SAVED, FakeComfyUI
from tests.virtual.clock import VirtualClock

BOOT_SECONDS = 60.0
LOAD_SECONDS = 15.0
SQS_SECONDS = 0.008
S3_SECONDS = 0.025
WORKER_SECONDS = 90.0
_HTTP_SECONDS = 0.003
_SILENCE_SECONDS = 2.0
PARAMETERS = {
    "prompt": "a fox",
    "negative_prompt": "",
    "width": 512,
    "height": 512,
    "steps": 20,
    "cfg_scale": 7.0,
    "seed": 5,
    "sampler": "euler",
    "scheduler": "normal",
    "checkpoint": "a.safetensors",
}


class Gpu(FakeComfyUI):
    """An instance and the ComfyUI on it, which executes one prompt after another."""

    def __init__(self, name: str, clock: VirtualClock, seconds: float) -> None:
        super().__init__()
        self.name, self.clock, self.seconds = name, clock, seconds
        self.is_on = self.is_hung = False
        self.boots_until = float("inf")
        self.loads: list[str] = []
        self.begins: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        self.jobs: dict[str, str] = {}

    def turn_on(self, *, boot_seconds: float = 0) -> None:
        self.is_on, self.boots_until = True, self.clock() + boot_seconds

    def turn_off(self) -> None:
        self.is_on, self.loads = False, []

    def _answer(self) -> None:
        if not self.is_on or self.is_hung or self.clock() < self.boots_until:
            self.clock.sleep(_SILENCE_SECONDS)
            raise ComfyUIUnreachable("ComfyUI did not answer")
        self.clock.sleep(_HTTP_SECONDS)

    def queue_length(self) -> int:
        self._answer()
        return sum(end > self.clock() for end in self.ends.values())

    def submit(self, attempt_id: str, graph: dict[str, Any], outputs: Any) -> None:
        self._answer()
        checkpoint = next(
            node["inputs"]["ckpt_name"] for node in graph.values() if "ckpt_name" in node["inputs"]
        )
        load = 0.0
        if self.loads[-1:] != [checkpoint]:
            load = LOAD_SECONDS if self.loads else 0.0
            self.loads.append(checkpoint)
        begins = max([self.clock(), *self.ends.values()])
        self.jobs[attempt_id] = graph["9"]["inputs"]["filename_prefix"].split("/")[1]
        self.begins[attempt_id], self.ends[attempt_id] = begins, begins + load + self.seconds

    def find(self, attempt_id: str, seconds: float = 5) -> State:
        self._answer()
        return self._state(attempt_id)

    def _state(self, attempt_id: str) -> State:
        ends_at, now = self.ends.get(attempt_id), self.clock()
        if ends_at is None:
            return None
        if ends_at <= now:
            return Finished(SAVED, None, self.seconds)
        return Waiting(sum(now < each < ends_at for each in self.ends.values()))

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        while True:
            state, now = self._state(attempt_id), self.clock()
            if not isinstance(state, Waiting) or now >= until:
                return self.find(attempt_id)
            if self.is_hung or not self.is_on:
                self._answer()
            report.seen(state, is_listening=True)
            left = self.ends[attempt_id] - now
            self.clock.sleep(max(min(5.0, left, until - now), 0.001))

    def interrupt(self, attempt_id: str) -> None:
        self._answer()
        if self.ends.get(attempt_id, 0) > self.clock():  # what has ended stays in the history
            del self.ends[attempt_id]

    def drop(self, attempt_id: str) -> bool:
        self.interrupt(attempt_id)
        return True

    def busy_seconds(self, since: float, until: float) -> float:
        """Return how long it executed between two times."""
        spans = ((self.begins[each], self.ends[each]) for each in self.begins if each in self.ends)
        return sum(max(min(end, until) - max(begin, since), 0) for begin, end in spans)


class Region:
    """The interface of `GpuFleet`: instances that start and stop."""

    def __init__(self, clock: VirtualClock, count: int, seconds: float) -> None:
        self.clock = clock
        self.gpus = {
            f"i-{number:02d}": Gpu(f"i-{number:02d}", clock, seconds) for number in range(count)
        }
        self.started: list[str] = []
        self.stopped: list[str] = []

    def instances(self) -> list[Instance]:
        self.clock.sleep(0.04)
        return [
            Instance(name, "running" if gpu.is_on else "stopped", name, "g5.xlarge")
            for name, gpu in self.gpus.items()
        ]

    def start(self, instance_id: str) -> bool:
        self.started.append(instance_id)
        self.gpus[instance_id].turn_on(boot_seconds=BOOT_SECONDS)
        return True

    def stop(self, instance_id: str) -> None:
        self.stopped.append(instance_id)
        self.gpus[instance_id].turn_off()


class Bucket(FakeImages):
    """S3, a call of which takes some time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def put(self, key: str, content: Any, size: int) -> None:
        self._clock.sleep(S3_SECONDS)
        super().put(key, content, size)


class World:
    """Functions over one set of tables; each invocation has services of its own."""

    def __init__(
        self,
        gpus: int,
        *,
        image_seconds: float = 8.0,
        workers: int | None = None,
        on: bool = True,
        clock: VirtualClock | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.region = Region(self.clock, gpus, image_seconds)
        self.images = Bucket(self.clock)
        self.workers = workers or gpus + 3
        self.is_over = False
        self.invocations: list[tuple[float, str]] = []
        self._messages: list[tuple[float, int, str]] = []
        self._numbers = count()
        self._active = 0
        self.killed: set[str] = set()
        for gpu in self.region.gpus.values() if on else ():
            gpu.turn_on()
            record = InstanceRecord(gpu.name)
            record.started(now=self.clock())
            record.became_ready(now=self.clock())

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        self.clock.sleep(SQS_SECONDS)
        heappush(self._messages, (self.clock() + delay_seconds, next(self._numbers), body))

    def function(self) -> Services:
        """Return the services of a function."""
        region: Any = self.region
        made = Services(
            SimpleNamespace(
                images=self.images,
                messages=self,
                instances=region,
                comfyui=region.gpus.__getitem__,
            ),  # type: ignore[arg-type]
            self.clock,
            replace(
                config,
                checkpoint="a.safetensors",
                warm_up=0,
                comfyui_url="",
                gpu_types="",
                fleet_max=len(region.gpus),
            ),
            pause=self.clock.sleep,
            chance=lambda: 0.5,
            random_seed=lambda: 5,
            together=self.clock.together,
        )
        made.budget = Budget(None, (), self.clock)
        return made

    def run(self, seconds: float) -> None:
        """Let functions, workers and callers run for this long."""
        until = self.clock() + seconds
        self.clock.spawn(lambda: self._deliver(until))
        self.clock.spawn(lambda: self._reconcile(until))
        self.clock.run(until=until)

    def _deliver(self, until: float) -> None:
        while self.clock() < until:
            while (
                self._messages
                and self._messages[0][0] <= self.clock()
                and self._active < self.workers
            ):
                _, _, body = heappop(self._messages)
                self._active += 1
                self.clock.spawn(lambda body=body: self._work(body))
            self.clock.sleep(0.05)

    def _work(self, body: str) -> None:
        self.invocations.append((self.clock(), body))
        try:
            self.function().worker.work(body, remaining_seconds=WORKER_SECONDS)
        finally:
            self._active -= 1

    def _reconcile(self, until: float) -> None:
        while self.clock() < until:
            self.clock.sleep(60)
            self.function_without_schedules().reconcile()

    def function_without_schedules(self) -> Any:
        from chalicelib.services.reconciler import Reconciler

        made = self.function()
        return Reconciler(made.stopper, made.overdue_jobs, made.demand, made.queue_snapshots)

    def queue_up(
        self,
        owner: str,
        count: int,
        *,
        checkpoint: str = "a.safetensors",
        priority: str = "interactive",
    ) -> list[str]:
        """Put jobs into the queue, as `Submission` does, in few writes."""
        now, made = self.clock(), list[Job]()
        for _ in range(count):
            made.append(
                Job.new(
                    str(ULID()),
                    now=now,
                    owner=owner,
                    priority=priority,
                    checkpoint=checkpoint,
                    units=6,
                    parameters={**PARAMETERS, "checkpoint": checkpoint},
                    due_at=now,
                )
            )
        for begin in range(0, count, 1000):
            some = made[begin : begin + 1000]
            for job, key in zip(some, queue.sort_keys(some, now=now), strict=True):
                job.enter_queue(key)
        for job in made:
            job.parameters_item.save()
            job.save()
        queue.count(count)
        return [str(job.id) for job in made]

    def begins(self, job_id: str) -> list[float]:
        """Return when executions of a job began, on all GPUs."""
        return [
            gpu.begins[attempt]
            for gpu in self.region.gpus.values()
            for attempt, each in gpu.jobs.items()
            if each == job_id
        ]
