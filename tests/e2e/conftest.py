"""The package as it would go to AWS, deployed on a fresh emulator with its GPU off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from infra.package import package
from local.deploy import STACK, deploy
from local.emulator import Emulator
from local.gpu import Gpu
from local.processes import wait_until
from tests.conftest import CHECKPOINT

JOB_SECONDS = 60
BOOT_SECONDS = 1.0


class Stack(NamedTuple):
    """A running deployment."""

    emulator: Emulator
    gpu: Gpu
    url: str

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, f"{self.url}{path}", timeout=60, **options)

    def finished(self, job_url: str) -> dict[str, Any]:
        """Poll a job as a caller would, until it has ended."""
        job: dict[str, Any] = {}

        def has_ended() -> bool:
            job.update(requests.get(job_url, timeout=30).json())
            return job["finished_at"] is not None

        wait_until(has_ended, f"the end of {job_url}", seconds=JOB_SECONDS)
        return job


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("package")
    package(directory)
    return directory


@pytest.fixture(scope="module")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("stack")
    emulator = Emulator(directory / "emulator")
    try:
        outputs = deploy(emulator, packaged, {"Checkpoint": CHECKPOINT})
        machine = directory / "comfyui"
        gpu = Gpu(emulator.client("ec2"), fleet=STACK, checkpoint=CHECKPOINT, directory=machine)
        gpu.power(boot_seconds=BOOT_SECONDS)
        yield Stack(emulator, gpu, outputs["ApiUrl"])
        gpu.stop()
    finally:
        emulator.stop()
