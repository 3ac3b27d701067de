"""Fakes of ComfyUI, the fleet, the message queue and the clock, and the services over them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from chalicelib.bootstrap import Services
from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable, JobFinished, StartFailed
from chalicelib.gateways.comfyui.state import Finished, ImageFile, Software, State, Waiting
from chalicelib.gateways.ec2 import Instance
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.checkpoints import CheckpointOrder
from chalicelib.services.jobs.submit import Order
from chalicelib.signals import JobBusy, QueueUnavailable
from tests.gateways.region import in_order
from tests.services.bucket import FakeImages

SAVED = {"9": [ImageFile("a_00001_.png", "darkroom", "output")]}


class FakeComfyUI:
    """Ends every attempt at once: with the next of `ends`, or with an image if there is none.

    An end that is an exception is raised.
    """

    def __init__(self, *ends: State | Exception) -> None:
        self.ends = list(ends)
        self.submitted: list[str] = []
        self.graphs: list[dict[str, Any]] = []
        self.outputs: list[list[str]] = []
        self.known: dict[str, State] = {}
        self.on_submit: Callable[[], None] = lambda: None
        self.content = b"png"  # of every image
        self.lost_files: set[str] = set()
        self.dropped: list[str] = []
        self.interrupted: list[str] = []
        self.freed = 0
        self.is_stuck = False  # an execution cannot be dropped
        self.software_is: Software | None = Software("0.3.60", "2.8.0+cu128", "cuda:0 NVIDIA A10G")
        self.asked_for_software = 0

    def find(self, attempt_id: str, seconds: float = 5) -> State:
        return self.known.get(attempt_id)

    @contextmanager
    def events(self, attempt_id: str) -> Iterator[None]:
        yield None

    def submit(self, attempt_id: str, graph: dict[str, Any], outputs: Sequence[str]) -> None:
        self.submitted.append(attempt_id)
        self.graphs.append(graph)
        self.outputs.append([*outputs])
        self.known[attempt_id] = Waiting(0)
        self.on_submit()

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        end = self.ends.pop(0) if self.ends else Finished(SAVED, None, 2.0)
        if isinstance(end, Exception):
            raise end
        self.known[attempt_id] = end
        return end

    def interrupt(self, attempt_id: str) -> None:
        self.interrupted.append(attempt_id)

    def drop(self, attempt_id: str) -> bool:
        self.dropped.append(attempt_id)
        return not self.is_stuck

    def queue_length(self) -> int:
        return sum(isinstance(each, Waiting) for each in self.known.values())

    def is_unhealthy(self, attempt_id: str) -> bool:
        return self.is_stuck

    def free(self) -> None:
        self.freed += 1

    def software(self) -> Software:
        self.asked_for_software += 1
        if self.software_is is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return self.software_is

    @contextmanager
    def image(self, file: ImageFile) -> Iterator[tuple[BytesIO, int] | None]:
        is_lost = file.filename in self.lost_files
        yield None if is_lost else (BytesIO(self.content), len(self.content))


class FakeEc2:
    """The interface of `GpuFleet`: instances that run and are ready, unless they are `gone`.

    EC2 starts none, and refuses with `refusal` if that is set.
    """

    def __init__(self, comfyuis: Sequence[FakeComfyUI], clock: Any) -> None:
        self.comfyuis = {f"i-{index}": each for index, each in enumerate(comfyuis, 1)}
        self.type = "g5.xlarge"
        self.gone: set[str] = set()
        self.silent: set[str] = set()
        self.refusal = StartFailed("EC2 refused to start the GPU instance")
        for name in self.comfyuis:
            InstanceRecord(name).became_ready(now=clock())

    def instances(self) -> list[Instance]:
        return [
            Instance(name, "stopped" if name in self.gone else "running", name, self.type)
            for name in self.comfyuis
        ]

    def turn_off(self) -> None:
        """Turn all instances off."""
        for name in self.comfyuis:
            self.gone.add(name)
            gone = (InstanceRecord.ready_at, InstanceRecord.on_since)
            InstanceRecord(name).update([each.remove() for each in gone])

    def start(self, instance_id: str) -> bool:
        raise self.refusal

    def connect(self, url: str) -> FakeComfyUI:
        comfyui = self.comfyuis[url]
        return SilentComfyUI() if url in self.silent else comfyui


class SilentComfyUI(FakeComfyUI):
    """Does not answer."""

    def queue_length(self) -> int:
        raise ComfyUIUnreachable("ComfyUI did not answer")


class FakeQueue:
    """Records messages as (text, delay)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.is_broken = False

    def take(self) -> list[tuple[str, int]]:
        """Return the messages since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        if self.is_broken:
            raise QueueUnavailable("SQS did not accept the message")
        self.sent.append((body, delay_seconds))


class Clock:
    """A clock that only its callers move."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def submit(services: Services, order: Order) -> list[Job]:
    """Accept an order and drive its jobs, as the API does."""
    jobs, drive = services.inline_driver.accept(order)
    drive()
    return jobs


class Parts(Services):
    """The services of a function over fakes, which are its attributes.

    Each service is made when it is first used; until then its fakes may be replaced.
    """

    clock: Any
    images: Any

    def __init__(
        self,
        *comfyuis: FakeComfyUI,
        clock: Any = None,
        queue: Any = None,
        dollars: float | None = None,
        ec2: Any = None,
    ) -> None:
        clock = clock or Clock()
        self.queue, self.images = queue or FakeQueue(), FakeImages()
        self.comfyui = (comfyuis or (FakeComfyUI(),))[0]
        self.ec2 = ec2 or FakeEc2(comfyuis or [self.comfyui], clock)
        super().__init__(
            SimpleNamespace(
                images=self.images,
                messages=self.queue,
                instances=self.ec2,
                comfyui=self.ec2.connect,
            ),  # type: ignore[arg-type]
            clock,
            replace(config, checkpoint="a.safetensors", warm_up=0, comfyui_url=""),
            pause=clock.advance,
            random_seed=lambda: 5,
            together=getattr(clock, "together", in_order),
        )
        self.budget = Budget(dollars, (), clock)

    def submit(self, wait_seconds: int = 25, **how: Any) -> list[Job]:
        request = GenerateRequest(prompt="a fox")
        wait_until = self.clock() + wait_seconds if wait_seconds else 0
        order = {"request": request, "wait_until": wait_until, "fingerprint": "f", **how}
        return submit(self, Order(**order))

    def work(self, job_id: str) -> Job:
        """Have followers drive a job until it ends or has to wait, and return it.

        A job in the queue is driven only if it is the next one, and a slot is free.
        """
        job, until = Job.find(job_id), self.clock() + 70
        try:
            if job.is_queued:
                self.take(until)
            else:
                self.driver.advance(job, until=until)
        except JobBusy:
            pass
        except JobFinished:
            self.cleanup.ended(job)
        return Job.find(job_id)

    def take(self, until: float) -> Job | None:
        """Drive the next job of the queue if a slot is free."""
        for server in self.inventory.serving():
            order = CheckpointOrder(set)
            if job := self.dispatcher.take(server, order):
                self.driver.advance(job, until=until, server=server)
                return job
        return None
