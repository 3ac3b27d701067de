"""Fakes of EC2, SQS and S3, with calls that can fail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import BinaryIO

from chalicelib.errors import FleetUnreachable, NoCapacity, StartUnknown, StopFailed
from chalicelib.gateways.ec2 import Instance
from chalicelib.signals import QueueUnavailable, StoreFailed
from tests.faults.comfyui import BOOT_SECONDS, ComfyUI
from tests.faults.scheduler import Call, Scheduler

_EC2_SECONDS = 20.0  # to start, and to stop
_AWS_PATIENCE_SECONDS = 48  # of the clients in bootstrap.py: 12 s, four times
_S3_PATIENCE_SECONDS = 32
VISIBILITY_SECONDS = 540.0
MOST_RECEIVES = 5


@dataclass
class Host:
    """An EC2 instance and the ComfyUI on it."""

    id: str
    comfyui: ComfyUI
    state: str = "stopped"
    type: str = ""
    is_scarce: bool = False  # EC2 has no capacity for it
    changes_at: float = inf
    past_seconds: float = 0  # for which it was on, before its last start
    starts: list[float] = field(default_factory=list)

    def tick(self, now: float) -> None:
        self.comfyui.tick(now)
        if now < self.changes_at:
            return
        if self.state == "pending":
            self.state, self.changes_at = "running", now + BOOT_SECONDS
        elif self.state == "stopping":
            self.state, self.changes_at = "stopped", inf
        else:
            self.comfyui.is_up, self.changes_at = True, inf

    def start(self, now: float) -> bool:
        if self.state != "stopped":
            return False
        self.state, self.changes_at = "pending", now + _EC2_SECONDS
        self.starts.append(now)
        return True

    def stop(self, now: float) -> None:
        if self.state in ("pending", "running"):
            self.past_seconds = self.on_seconds(now)
            self.comfyui.stop()
            self.state, self.changes_at = "stopping", now + _EC2_SECONDS

    def on_seconds(self, now: float) -> float:
        """Return for how long it was on, until it was asked to stop."""
        began = self.starts[-1] if self.state in ("pending", "running") else now
        return self.past_seconds + now - began

    def restart_comfyui(self, now: float) -> None:
        self.comfyui.stop()
        self.changes_at = now + BOOT_SECONDS


class Ec2:
    """The interface of `GpuFleet`."""

    def __init__(self, scheduler: Scheduler, hosts: list[Host]) -> None:
        self._scheduler = scheduler
        self.hosts = hosts
        self._described: list[Instance] = []
        self.stale_at = self.scarce_until = -inf
        self.on_start: Callable[[Host], None] = lambda host: None
        self.on_stop: Callable[[Host], None] = lambda host: None

    def instances(self) -> list[Instance]:
        return self._scheduler.call(
            "ec2 describe",
            self._describe,
            lambda: FleetUnreachable("EC2 does not answer", retry_seconds=10),
            patience=_AWS_PATIENCE_SECONDS,
            stale=self._describe_stale if self._described else None,
            about=Call(is_read=True),
        )

    def start(self, instance_id: str, *, instance_type: str | None = None) -> bool:
        return self._scheduler.call(
            f"ec2 start {instance_id}",
            lambda: self._start(self._host(instance_id)),
            lambda: NoCapacity("EC2 has no capacity right now"),
            unanswered=lambda: StartUnknown("EC2 did not answer"),
            patience=_AWS_PATIENCE_SECONDS,
        )

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        self._scheduler.call(
            f"ec2 stop {instance_id}",
            lambda: self._stop(self._host(instance_id)),
            lambda: StopFailed("EC2 did not stop the GPU instance"),
            patience=_AWS_PATIENCE_SECONDS,
        )

    def _start(self, host: Host) -> bool:
        if self._scheduler.now < self.scarce_until or host.is_scarce:
            raise NoCapacity("EC2 has no capacity right now")
        has_started = host.start(self._scheduler.now)
        if has_started:
            self.on_start(host)
        return has_started

    def _stop(self, host: Host) -> None:
        self.on_stop(host)
        host.stop(self._scheduler.now)

    def _describe_stale(self) -> list[Instance]:
        self.stale_at = self._scheduler.now
        return self._described

    def _describe(self) -> list[Instance]:
        self._described = [
            Instance(each.id, each.state, f"http://{each.id}", each.type) for each in self.hosts
        ]
        return self._described

    def _host(self, instance_id: str) -> Host:
        return next(host for host in self.hosts if host.id == instance_id)


@dataclass
class Message:
    """A message that is in flight, delayed or visible."""

    body: str
    visible_at: float
    receives: int = 0


class Queue:
    """The interface of `MessageQueue`; a message is deleted when its worker succeeds."""

    visibility_seconds = VISIBILITY_SECONDS

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.messages: list[Message] = []
        self.dead: list[Message] = []

    def send(self, body: str, *, delay_seconds: int = 0) -> None:
        def send() -> None:
            self._put(body, min(delay_seconds, 900))

        self._scheduler.call(
            f"sqs send {body} in {delay_seconds} s",
            send,
            lambda: QueueUnavailable("SQS did not accept the message"),
            patience=_AWS_PATIENCE_SECONDS,
            repeated=send,
        )

    def visible(self) -> list[Message]:
        return [each for each in self.messages if each.visible_at <= self._scheduler.now]

    def receive(self, message: Message) -> None:
        message.receives += 1
        message.visible_at = self._scheduler.now + self.visibility_seconds
        if message.receives == MOST_RECEIVES:
            self.messages.remove(message)
            self.dead.append(message)

    def acknowledge(self, message: Message) -> None:
        if message in self.messages:
            self.messages.remove(message)

    def _put(self, body: str, delay_seconds: int) -> None:
        self.messages.append(Message(body, self._scheduler.now + delay_seconds))


class Bucket:
    """The interface of `ImageStore`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, content: BinaryIO, size: int) -> None:
        self._scheduler.call(
            f"s3 put {key}",
            lambda: self.objects.update({key: content.read()}),
            lambda: StoreFailed("the image could not be stored"),
            patience=_S3_PATIENCE_SECONDS,
        )

    def delete(self, job_id: str) -> None:
        self._scheduler.call(
            f"s3 delete {job_id}",
            lambda: self._delete(f"images/{job_id}/"),
            lambda: StoreFailed("the images could not be deleted"),
            patience=_AWS_PATIENCE_SECONDS,
        )

    def _delete(self, prefix: str) -> None:
        self.objects = {
            key: value for key, value in self.objects.items() if not key.startswith(prefix)
        }
