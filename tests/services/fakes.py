"""Fakes of ComfyUI, the fleet, the message queue and the clock, and the services over them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from chalicelib.bootstrap import Services
from chalicelib.config import config
from chalicelib.errors import ComfyUIUnreachable, GpuNotReady
from chalicelib.gateways.comfyui.state import Finished, ImageFile, Software, State, Waiting
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.billing.budget import Budget
from chalicelib.services.gpus.inventory import Server
from chalicelib.services.jobs.submit import Order
from chalicelib.signals import QueueUnavailable
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
        self.lost_files: set[str] = set()
        self.dropped: list[str] = []
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

    def drop(self, attempt_id: str) -> bool:
        self.dropped.append(attempt_id)
        return not self.is_stuck

    def free(self) -> None:
        self.freed += 1

    def software(self) -> Software:
        self.asked_for_software += 1
        if self.software_is is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        return self.software_is

    @contextmanager
    def image(self, file: ImageFile) -> Iterator[tuple[BytesIO, int] | None]:
        yield None if file.filename in self.lost_files else (BytesIO(b"png"), 3)


class FakeFleet:
    """Instances that are all ready; while `refusal` is set none is, and `bring_up` raises it."""

    def __init__(self, comfyui: FakeComfyUI, *others: FakeComfyUI) -> None:
        self.comfyuis = {f"i-{index}": each for index, each in enumerate([comfyui, *others], 1)}
        self.refusal: Exception | None = None
        self.queue_length = 0
        self.type = "g5.xlarge"
        self.gone: set[str] = set()
        self.scaled: list[int] = []
        self.scaled_up = 0

    @property
    def inventory(self) -> "FakeFleet":
        return self

    def check(self) -> None:
        pass

    def observe_serving(self) -> list[Server]:
        if self.refusal:
            return []
        return [self._server(name) for name in self.comfyuis if name not in self.gone]

    def observe_server(self, instance_id: str) -> Server | None:
        return next(
            (each for each in self.observe_serving() if each.instance.id == instance_id), None
        )

    def members(self, **_: float) -> list[str]:
        return [*self.comfyuis]

    def scale(self, *, least_jobs: int = 0) -> None:
        self.scaled.append(least_jobs)

    def scale_up(self) -> None:
        self.scaled_up += 1

    def bring_up(self) -> list[Server]:
        raise self.refusal or GpuNotReady("the GPU instance is starting", retry_seconds=2)

    def _server(self, name: str) -> Server:
        instance, comfyui = SimpleNamespace(id=name, type=self.type), self.comfyuis[name]
        record = InstanceRecord.read(name)
        return Server(instance, comfyui, self.queue_length, record)  # type: ignore[arg-type]


class FakeQueue:
    """Records messages as (job id, delay)."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int]] = []
        self.is_broken = False

    def take(self) -> list[tuple[str, int]]:
        """Return the messages since the last call."""
        sent, self.sent = self.sent, []
        return sent

    def send(self, job_id: str, *, delay_seconds: int = 0) -> None:
        if self.is_broken:
            raise QueueUnavailable("SQS did not accept the message")
        self.sent.append((job_id, delay_seconds))


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
    jobs = services.submission.accept(order)
    services.inline_driver.drive(jobs, until=order.wait_until)
    return jobs


class Parts(Services):
    """The services of a function over fakes, which are its attributes.

    Each service is made when it is first used; until then its fakes may be replaced.
    """

    clock: Any
    fleet: Any
    images: Any

    def __init__(
        self,
        *comfyuis: FakeComfyUI,
        clock: Any = None,
        fleet: Any = None,
        queue: Any = None,
        dollars: float | None = None,
    ) -> None:
        self.queue, self.images = queue or FakeQueue(), FakeImages()
        self.comfyui, *others = comfyuis or (FakeComfyUI(),)
        self.fleet = fleet or FakeFleet(self.comfyui, *others)
        clock = clock or Clock()
        super().__init__(
            SimpleNamespace(images=self.images, messages=self.queue),  # type: ignore[arg-type]
            clock,
            replace(config, checkpoint="a.safetensors"),
            pause=clock.advance,
            random_seed=lambda: 5,
        )
        self.budget = Budget(dollars, (), clock)

    def submit(self, wait_seconds: int = 25, **how: Any) -> list[Job]:
        request = GenerateRequest(prompt="a fox")
        wait_until = self.clock() + wait_seconds if wait_seconds else 0
        order = {"request": request, "wait_until": wait_until, "fingerprint": "f", **how}
        return submit(self, Order(**order))

    def work(self, job_id: str) -> Job:
        """Have a worker process a message of the job, and return the job."""
        self.worker.work(job_id, remaining_seconds=90)
        return Job.find(job_id)
