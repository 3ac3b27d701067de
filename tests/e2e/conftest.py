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

    def accepted(self, *, caller: str = "10.0.0.9", **wanted: Any) -> str:
        """Have a small image accepted, to be made later; return the URL of its job."""
        body = {"prompt": "a lighthouse", "width": 64, "height": 64, **wanted}
        # The emulator takes the caller's address from this header; API Gateway does not.
        headers = {"Prefer": "respond-async", "X-Forwarded-For": caller}
        answer = self.call("POST", "/api/images/generate", json=body, headers=headers)
        return answer.headers["Location"]

    def job(self, job_url: str) -> dict[str, Any]:
        job: dict[str, Any] = requests.get(job_url, timeout=30).json()
        return job

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
