"""The demo's GPU: its ComfyUI runs while its instance runs, and only then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from local.stack.gpu import Gpu
from local.stack.processes import wait_until
from tests.contracts.graphs import flat
from tests.contracts.protocol import ComfyUI
from tests.local.stand_in import CHECKPOINT

PATIENCE_SECONDS = 20


class Ec2:
    """An EC2 with one instance, which changes its state at once and has tags."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.tags: dict[str, dict[str, str]] = {}

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        found = [{"InstanceId": id_, "State": {"Name": s}} for id_, s in self.states.items()]
        return {"Reservations": [{"Instances": [each]} for each in found]}

    def run_instances(self, TagSpecifications: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.states["i-1"] = "running"
        self.create_tags(["i-1"], TagSpecifications[0]["Tags"])
        return {"Instances": [{"InstanceId": "i-1"}]}

    def create_tags(self, Resources: list[str], Tags: Any) -> None:  # noqa: N803
        tags = self.tags.setdefault(Resources[0], {})
        tags.update({tag["Key"]: tag["Value"] for tag in Tags})

    def stop_instances(self, InstanceIds: list[str]) -> None:  # noqa: N803
        self.states[InstanceIds[0]] = "stopped"


@contextmanager
def gpu_of(ec2: Ec2, directory: Path, boot_seconds: float = 0) -> Iterator[Gpu]:
    gpu = Gpu(ec2, fleet="darkroom", checkpoint=CHECKPOINT, directory=directory, port=0)
    gpu.power(boot_seconds=boot_seconds)
    try:
        yield gpu
    finally:
        gpu.stop()


def answers(gpu: Gpu) -> bool:
    try:
        return requests.get(f"{gpu.url}/system_stats", timeout=1).ok
    except requests.RequestException:
        return False


def has_no_history(gpu: Gpu) -> bool:
    try:
        return bool(requests.get(f"{gpu.url}/history", timeout=1).json() == {})
    except requests.RequestException:
        return False


def wait_until_on(gpu: Gpu) -> None:
    wait_until(lambda: answers(gpu), "ComfyUI's start", seconds=PATIENCE_SECONDS)


def wait_until_off(gpu: Gpu) -> None:
    wait_until(lambda: not answers(gpu), "ComfyUI's end", seconds=PATIENCE_SECONDS)


def test_comfyui_follows_the_state_of_its_instance(tmp_path: Path) -> None:
    ec2 = Ec2()
    with gpu_of(ec2, tmp_path) as gpu:
        for _ in ("first", "again"):
            ec2.states[gpu.id] = "running"
            wait_until_on(gpu)
            ec2.states[gpu.id] = "stopping"
            wait_until_off(gpu)
        ec2.states[gpu.id] = "running"
        wait_until_on(gpu)
    assert not answers(gpu)
    assert ec2.states[gpu.id] == "stopped"


def test_a_comfyui_that_dies_is_started_again(tmp_path: Path) -> None:
    ec2 = Ec2()
    with gpu_of(ec2, tmp_path) as gpu:
        ec2.states[gpu.id] = "running"
        wait_until_on(gpu)
        comfyui = ComfyUI(gpu.url, CHECKPOINT)
        comfyui.run(flat())
        comfyui.submit(flat(), client_id=[])  # which ends ComfyUI
        wait_until(lambda: has_no_history(gpu), "the next start", seconds=PATIENCE_SECONDS)
        assert answers(gpu)


def test_comfyui_offers_the_checkpoint_and_keeps_its_images(tmp_path: Path) -> None:
    ec2 = Ec2()
    with gpu_of(ec2, tmp_path) as gpu:
        ec2.states[gpu.id] = "running"
        wait_until_on(gpu)
        offered = requests.get(f"{gpu.url}/models/checkpoints", timeout=5).json()
    assert offered == [CHECKPOINT]
    assert (tmp_path / "output").is_dir()


def test_a_new_instance_is_off_and_tagged_with_its_fleet_and_address(tmp_path: Path) -> None:
    ec2 = Ec2()
    gpu = Gpu(ec2, fleet="darkroom", checkpoint=CHECKPOINT, directory=tmp_path, port=0)
    assert ec2.states == {gpu.id: "stopped"}
    assert ec2.tags[gpu.id]["darkroom:fleet"] == "darkroom"
    assert ec2.tags[gpu.id]["darkroom:endpoint"] == gpu.url


def test_an_instance_that_exists_is_used_again_and_is_off(tmp_path: Path) -> None:
    ec2 = Ec2()
    ec2.states["i-old"] = "running"
    gpu = Gpu(ec2, fleet="darkroom", checkpoint=CHECKPOINT, directory=tmp_path, port=0)
    assert gpu.id == "i-old"
    assert ec2.states == {"i-old": "stopped"}
    assert ec2.tags["i-old"]["darkroom:endpoint"] == gpu.url
