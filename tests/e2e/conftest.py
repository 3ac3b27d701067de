"""The package as it is deployed to AWS, on a new emulator with its GPU off."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from local.stack.api import Api, keys, new_key
from local.stack.deploy import STACK, deploy
from local.stack.emulator import Emulator
from local.stack.gpu import Gpu
from local.stack.processes import ROOT, wait_until
from tests.environment import CHECKPOINT

# The interpreter that packages, and that runs what it packaged.
PACKAGING_PYTHON = os.environ.get("PACKAGING_PYTHON", sys.executable)

JOB_SECONDS = 60
BOOT_SECONDS = 1.0

# What EventBridge sends to a function every minute.
SCHEDULED_EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-11-30T12:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:000000000000:rule/reconciler"],
    "detail": {},
}


class Stack(NamedTuple):
    """A running deployment."""

    emulator: Emulator
    gpu: Gpu
    api: Api

    @property
    def call(self) -> Callable[..., requests.Response]:
        return self.api.call

    def new_api(self, name: str, *limits: str, scopes: str = "read,generate") -> Api:
        """Return a client of the API with a new key."""
        return Api(self.api.url, new_key(self.emulator, name, *limits, scopes=scopes))

    def keys(self, *command: str) -> str:
        """Run `infra.keys` on the stack."""
        return keys(self.emulator, *command)

    def accepted(self, *, api: Api | None = None, **wanted: Any) -> str:
        """Request a small image asynchronously; return the URL of its job."""
        body = {"prompt": "a lighthouse", "width": 64, "height": 64, **wanted}
        headers = {"Prefer": "respond-async"}
        call = (api or self.api).call
        return call("POST", "/api/images/generate", json=body, headers=headers).headers["Location"]

    def job(self, job_url: str) -> dict[str, Any]:
        job: dict[str, Any] = self.call("GET", job_url).json()
        return job

    def waiting(self) -> list[str]:
        """Return the URLs of the jobs without an attempt, in the order of the queue."""
        queued: list[dict[str, Any]] = []

        def are_in_snapshot() -> bool:
            queued[:] = self._queued()
            positions = [job["queue_position"] for job in queued]
            return len(set(positions)) == len(positions)

        # Positions are as of up to two seconds ago: jobs that came since then share one.
        wait_until(are_in_snapshot, "a snapshot of the queue", seconds=20)
        queued.sort(key=lambda job: int(job["queue_position"]))
        return [f"{self.api.url}/api/images/jobs/{job['id']}" for job in queued]

    def _queued(self) -> list[dict[str, Any]]:
        jobs = self.call("GET", "/api/images/jobs?status=queued&limit=100").json()
        # A job that was just given a slot has no place in the queue.
        return [job for job in jobs if not job["attempts"] and job["queue_position"] is not None]

    def reconcile(self) -> None:
        """Invoke the reconciler, which else runs every minute."""
        functions = self.emulator.client("lambda")
        names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
        [name] = [each for each in names if "-Reconciler" in each]
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(SCHEDULED_EVENT).encode())
        assert "FunctionError" not in answer, answer["Payload"].read()

    def finished(self, job_url: str) -> dict[str, Any]:
        """Poll a job until it has ended, as a caller does, and return it."""
        job: dict[str, Any] = {}

        def has_ended() -> bool:
            job.update(self.call("GET", job_url).json())
            return job["finished_at"] is not None

        wait_until(has_ended, f"the end of {job_url}", seconds=JOB_SECONDS)
        return job


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("package")
    command = [PACKAGING_PYTHON, "-m", "infra.package", directory]
    subprocess.run(command, cwd=ROOT, check=True)
    return directory


@pytest.fixture(scope="module")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with deployed(packaged, tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@contextmanager
def deployed(
    package: Path, directory: Path, *, boot_seconds: float = BOOT_SECONDS, **parameters: str
) -> Iterator[Stack]:
    """Deploy a package on a new emulator, with a GPU that is off."""
    emulator = Emulator(directory / "emulator", port=0)
    try:
        outputs = deploy(emulator, package, {"Checkpoint": CHECKPOINT, **parameters})
        machine = directory / "comfyui"
        gpu = Gpu(
            emulator.client("ec2"), fleet=STACK, checkpoint=CHECKPOINT, directory=machine, port=0
        )
        gpu.power(boot_seconds=boot_seconds)
        yield Stack(emulator, gpu, Api(outputs["ApiUrl"], new_key(emulator, "tests")))
        gpu.stop()
    finally:
        emulator.stop()
