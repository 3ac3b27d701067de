"""Darkroom's functions and callers, each invocation a process, and the services around them."""

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cached_property, partial
from math import inf
from types import SimpleNamespace
from typing import Any

from msgspec.structs import replace

from chalicelib.bootstrap import Services
from chalicelib.config import config
from chalicelib.models.jobs.job import Job
from chalicelib.models.jobs.priority import INTERACTIVE
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.services.billing.budget import Budget
from chalicelib.services.jobs.submit import Order
from chalicelib.services.reconciler import Reconciler
from tests.faults.aws import Bucket, Ec2, Host, Message, Queue
from tests.faults.comfyui import ERRORS, ComfyUI, Run
from tests.faults.comfyui_wire import Http, WiredComfyUI
from tests.faults.scheduler import Process, Scheduler
from tests.models.allowances import PLENTY, allowance_of
from tests.services.fakes import submit

TROUBLES = (*ERRORS, "interrupted", "stuck", "restarted", "file lost", "done", "stopped")

# Lambda's timeouts: .chalice/config.json.
API_SECONDS, WORKER_SECONDS, RECONCILER_SECONDS = 29, 90, 60
IMAGE_STEPS = 5.3  # megapixel-steps


class WithoutSchedules(Services):
    """Services whose reconciler does not look at schedules, as there are none."""

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.stopper, self.overdue_jobs, self.demand, self.queue_snapshots)


def services_of(world: "World") -> Services:
    """Return the services of a new function instance."""
    limits = {"fleet_max": world.fleet_max, "scale_wait_seconds": 60, "warm_up": 0}
    made = world.services(
        world.gateways(),
        world.scheduler.clock,
        replace(config, checkpoint="a.safetensors", gpu_types="", comfyui_url="", **limits),
        pause=world.scheduler.pause,
        chance=lambda: 0.5,
        random_seed=lambda: 5,
        together=world.scheduler.together,
    )
    made.budget = Budget(world.dollars, (), world.scheduler.clock)
    return made


class World:
    """Callers, functions, hosts with ComfyUIs, EC2, SQS and S3, on one scheduler."""

    services: type[Services] = WithoutSchedules

    def __init__(self, hosts: int = 1) -> None:
        self.scheduler = Scheduler()
        self.hosts = [
            Host(f"i-{number}", ComfyUI(now=self.scheduler.now, on_loss=self._lose))
            for number in range(1, hosts + 1)
        ]
        self.ec2 = Ec2(self.scheduler, self.hosts)
        self.queue = Queue(self.scheduler)
        self.bucket = Bucket(self.scheduler)
        self.scheduler.on_tick = [host.tick for host in self.hosts]
        self.answers: list[tuple[str | None, list[str]]] = []
        self.errors: list[tuple[str, BaseException, bool]] = []
        self._asked: Counter[str] = Counter()  # images, by owner
        self._keys: set[str] = set()
        self._requests: dict[str, list[Process]] = defaultdict(list)  # by owner
        self.too_many: set[str] = set()  # requests that may be refused
        self.on_start: Callable[[Process], None] = lambda process: None
        self.on_clean_end: Callable[[Process], None] = lambda process: None
        self.fleet_max = 1
        self.dollars: float | None = None
        self.skew = 0  # of the next process's clock, in seconds
        self._names = Counter[str]()

    def gateways(self) -> Any:
        """Return the gateways of a function instance."""
        return SimpleNamespace(
            images=self.bucket, messages=self.queue, instances=self.ec2, comfyui=self.connect
        )

    def limit_of(self, owner: str) -> int:
        """Return an owner's daily limit of images; callers without a key may exceed theirs."""
        return 4 if owner.startswith("key") else 2

    def has_asked(self, owner: str) -> bool:
        """Return whether all images of an owner are of its requests; runs are of schedules."""
        return owner in self._requests

    def had_trouble(self, owner: str) -> bool:
        """Return whether a call of a request of an owner has failed, or was held up."""
        return any(each.had_fault or each.has_stood for each in self._requests[owner])

    @property
    def troubled(self) -> frozenset[str]:
        """The owners of which a call has failed, or was held up."""
        return frozenset(filter(self.had_trouble, self._requests))

    def _asks_too_much(self, owner: str) -> bool:
        """Return whether an owner asked for more than its limits, or more may be counted."""
        if self.had_trouble(owner):
            return True
        images = self._asked[owner]
        return images > self.limit_of(owner) or images * IMAGE_STEPS > self.steps_of(owner)

    def steps_of(self, owner: str) -> float:
        """Return an owner's daily limit of megapixel-steps."""
        return PLENTY

    def others(self) -> object:
        """Return what else there is in this world, as a value that is shown."""
        return ()

    def connect(self, url: str) -> WiredComfyUI:
        servers = {host.id: host.comfyui for host in self.hosts}
        server = servers[url.removeprefix("http://")]
        return WiredComfyUI(url, Http(self.scheduler, servers), self.scheduler, server)

    def request(
        self, *, caller: str, key: str | None, wait: int, priority: str = INTERACTIVE
    ) -> Process:
        """Request an image, or asynchronously as many as the key's last digit says."""
        count = int(key[-1]) if key else 1
        wait = wait if count == 1 else 0
        request = GenerateRequest(prompt=key or "a fox")
        wait_until = self.scheduler.now + wait if wait else 0
        owner = key or caller
        order = Order(
            request,
            wait_until,
            f"{key}",
            owner=owner,
            allowance=allowance_of(owner, self.limit_of(owner), self.steps_of(owner)),
            key=key,
            priority=priority,
            count=count,
        )

        if key is None or key not in self._keys:
            self._asked[owner] += count
            self._keys.add(key)

        def answered(process: Process) -> None:
            if self._asks_too_much(owner):
                self.too_many.add(process.name)
            if process.error is None:
                self.answers.append((key, [job.id for job in process.answer]))  # type: ignore[attr-defined]

        name = f"api {key or ''} wait {wait} count {count}"
        process = self._spawn(name, lambda each: submit(each, order), API_SECONDS, answered)
        self._requests[owner].append(process)
        return process

    def deliver(self, message: Message) -> Process:
        self.queue.receive(message)

        def work(services: Services) -> None:
            services.worker.work(message.body, remaining_seconds=WORKER_SECONDS)

        def acknowledge(process: Process) -> None:
            if process.error is None:
                self.queue.acknowledge(message)

        return self._spawn(f"worker {message.body}", work, WORKER_SECONDS, acknowledge)

    def deliver_all(self) -> None:
        """Deliver the messages that are visible."""
        for message in self.queue.visible():
            self.deliver(message)

    def next_message_at(self) -> float:
        """Return when the next message is visible; infinity if there is none."""
        return min((each.visible_at for each in self.queue.messages), default=inf)

    def reconcile(self) -> Process:
        return self._spawn(
            "reconciler", lambda each: each.reconciler.reconcile(), RECONCILER_SECONDS
        )

    def cancel(self, job_id: str) -> Process:
        return self._spawn(
            f"cancel {job_id[-2:]}", lambda each: each.cancellation.cancel(job_id), API_SECONDS
        )

    def start(self) -> Process:
        """Start an instance, as an administrator does."""
        return self._spawn("start", lambda each: each.gpu_power.start(None), API_SECONDS)

    def stop(self, *, at_once: bool, for_seconds: int) -> Process:
        """Stop all instances, as an administrator does."""

        def stop(services: Services) -> None:
            services.gpu_power.stop(at_once=at_once, for_seconds=for_seconds)

        return self._spawn(f"stop {'now' if at_once else 'later'} {for_seconds}", stop, API_SECONDS)

    def _spawn(
        self,
        name: str,
        work: Callable[[Services], object],
        seconds: float,
        on_end: Callable[[Process], None] = lambda process: None,
    ) -> Process:
        self._names[name] += 1
        loaded = services_of(self)
        process = Process(
            self.scheduler,
            f"{self._names[name]} {name}",
            partial(work, loaded),
            killed_at=self.scheduler.now + seconds,
            skew=self.skew,
        )

        def ended(process: Process) -> None:
            if process.error is not None:
                self.errors.append((process.name, process.error, process.had_fault))
            elif process.was_alone and not process.had_fault and not process.has_stood:
                self.on_clean_end(process)
            on_end(process)

        self.on_start(process)
        process.on_end = ended
        return self.scheduler.spawn(process)

    def _lose(self, run: Run) -> None:
        """Excuse an execution whose ComfyUI forgot it before its job ended."""
        job = Job.find(run.job_id)
        if job.is_open:
            run.excuse = run.excuse or "forgotten"

    def keep_hosts(self, count: int) -> None:
        """Keep the first hosts only."""
        del self.hosts[count:]
        self.ec2.hosts = self.hosts
        self.scheduler.on_tick = [host.tick for host in self.hosts]

    def lose(self, message: Message) -> None:
        self.queue.messages.remove(message)
        self.scheduler.note(f"the message {message.body} at {message.visible_at} is lost")

    def double(self, message: Message) -> None:
        self.queue.messages.append(Message(message.body, self.scheduler.now))

    def trouble(self, host: Host, trouble: str) -> None:
        """Cause a trouble in a ComfyUI that is up, or in its instance."""
        self.scheduler.note(f"{host.id}: {trouble}")
        comfyui, run = host.comfyui, host.comfyui.running
        if trouble == "stopped":
            host.stop(self.scheduler.now)
        elif not comfyui.is_up:
            return
        elif trouble == "restarted":
            host.restart_comfyui(self.scheduler.now)
        elif trouble == "file lost":
            self._lose_files(host)
        elif trouble == "stuck":
            comfyui.is_stuck = run is not None
        elif trouble in ERRORS:
            comfyui.next_end = trouble
        elif run and not comfyui.is_stuck:
            run.ends_at = self.scheduler.now
        self._excuse(run, trouble)
        comfyui.tick(self.scheduler.now)

    def _excuse(self, run: Run | None, trouble: str) -> None:
        if run and trouble == "interrupted":
            run.end = trouble
        if run and trouble in ("interrupted", "stuck"):
            run.excuse = trouble

    def _lose_files(self, host: Host) -> None:
        for run in host.comfyui.runs:
            if any(name.startswith(run.attempt_id) for name in host.comfyui.files):
                self._lose(run)
        host.comfyui.files.clear()
