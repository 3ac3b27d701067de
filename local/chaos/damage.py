"""The faults that can be injected: each is a method that returns how many things it hit."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import NamedTuple

import requests

from local.chaos.processes import Found, Freezer, below, kill
from local.stack.emulator import Emulator
from local.stack.gpu import Gpu

# In seconds. A frozen follower continues after its lease has ended and another one has its
# instance, or Lambda's timeout kills it while it is frozen: 90 s for workers, 29 s for the API.
_WORKER_FREEZES = (35, 50, 100)
_API_FREEZES = (18, 25, 33)
_COMFYUI_FREEZES = (4, 8, 12)
_FOREVER = 600  # longer than a fault run

_LOOKS, _LOOK_SECONDS = 20, 0.2

_MANY = 5
_WORKER, _API = "-Worker-", "-APIHandler-"

# An unknown input that links to no node kills ComfyUI's worker thread, while its HTTP server still
# answers.
_DEADLY = {
    "front": True,
    "prompt": {
        "1": {
            "class_type": "EmptyLatentImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "unknown": ["99", 0]},
        },
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": None}},
        "3": {"class_type": "VAEDecode", "inputs": {"samples": ["1", 0], "vae": ["2", 2]}},
        "4": {
            "class_type": "SaveImage",
            "inputs": {"images": ["3", 0], "filename_prefix": "deadly"},
        },
    },
}


class Stack(NamedTuple):
    """The parts that faults hit."""

    emulator: Emulator
    gpus: Sequence[Gpu]
    checkpoint: str
    queue_url: str

    @property
    def messages(self) -> list[str]:
        """All messages that a worker may get."""
        ids = [gpu.id for gpu in self.gpus]
        return ["start", *ids, *(f"{each} check" for each in ids)]


class Damage:
    """Injects faults into what exists at the moment, which may be nothing."""

    def __init__(self, stack: Stack, chance: Random) -> None:
        self._stack = stack
        self._chance = chance
        self._freezer = Freezer()
        self._ec2 = stack.emulator.client("ec2")
        self._sqs = stack.emulator.client("sqs")

    def end(self) -> None:
        """Resume all frozen processes."""
        self._freezer.thaw_all()

    def kill_comfyui(self) -> int:
        return sum(kill(each) for each in self._one(_is_comfyui))

    def freeze_comfyui(self) -> int:
        return sum(self._freeze(each, _COMFYUI_FREEZES) for each in self._one(_is_comfyui))

    def hang_comfyui(self) -> int:
        """Freeze a ComfyUI until its instance is stopped."""
        return sum(self._freezer.freeze(each, _FOREVER) for each in self._one(_is_comfyui))

    def wedge_comfyui(self) -> int:
        _DEADLY["prompt"]["2"]["inputs"]["ckpt_name"] = self._stack.checkpoint
        for _ in range(_LOOKS * _MANY):
            gpu = self._chance.choice(self._stack.gpus)
            with suppress(requests.RequestException):  # it may be off, or booting
                return int(requests.post(f"{gpu.url}/prompt", json=_DEADLY, timeout=5).ok)
            time.sleep(_LOOK_SECONDS)
        return 0

    def stop_instance(self) -> int:
        """Stop an instance that is on, as EC2 does when it reclaims one."""
        if not (on := self._running()):
            return 0
        self._ec2.stop_instances(InstanceIds=[self._chance.choice(on)])
        return 1

    def duplicate_messages(self) -> int:
        for body in self._chance.choices(self._stack.messages, k=_MANY):
            self._sqs.send_message(QueueUrl=self._stack.queue_url, MessageBody=body)
        return _MANY

    def lose_messages(self) -> int:
        received = self._sqs.receive_message(
            QueueUrl=self._stack.queue_url, MaxNumberOfMessages=_MANY, WaitTimeSeconds=1
        ).get("Messages", [])
        for message in received:
            self._sqs.delete_message(
                QueueUrl=self._stack.queue_url, ReceiptHandle=message["ReceiptHandle"]
            )
        return len(received)

    def purge_queue(self) -> int:
        self._sqs.purge_queue(QueueUrl=self._stack.queue_url)
        return 1

    def kill_worker(self) -> int:
        return sum(kill(each) for each in self._one_of(_WORKER))

    def kill_api(self) -> int:
        return sum(kill(each) for each in self._one_of(_API))

    def freeze_worker(self) -> int:
        return sum(self._freeze(each, _WORKER_FREEZES) for each in self._one_of(_WORKER))

    def freeze_api(self) -> int:
        return sum(self._freeze(each, _API_FREEZES) for each in self._one_of(_API))

    def _running(self) -> list[str]:
        on = [{"Name": "instance-state-name", "Values": ["running"]}]
        found = self._ec2.describe_instances(Filters=on)["Reservations"]
        return sorted(each["InstanceId"] for group in found for each in group["Instances"])

    def _one_of(self, function: str) -> list[Found]:
        return self._one(lambda each: _is_busy(each, function))

    def _one(self, is_meant: Callable[[Found], bool]) -> list[Found]:
        """Choose a process that matches, and wait a short time for one."""
        for _ in range(_LOOKS):
            if found := [each for each in below(os.getpid()) if is_meant(each)]:
                return [self._chance.choice(found)]
            time.sleep(_LOOK_SECONDS)
        return []

    def _freeze(self, process: Found, choices: tuple[int, ...]) -> int:
        return self._freezer.freeze(process, self._chance.choice(choices))


def _is_busy(process: Found, function: str) -> bool:
    # One that still starts has done nothing yet.
    is_up = not process.is_new and not process.is_frozen
    return function in process.command and is_up and not process.is_idle


def _is_comfyui(process: Found) -> bool:
    is_comfyui = "local.comfyui" in process.command and not process.is_frozen
    return is_comfyui and "local.stack.tether" not in process.command
