"""The final state of jobs and images, read from the API, the bucket and the GPUs."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from struct import unpack
from typing import Any, NamedTuple

import requests

from local.chaos.orders import SIZE
from local.stack.api import Api
from local.stack.emulator import Emulator

OPEN = ("queued", "starting", "running")
_JOBS = "/api/images/jobs"
_LOOK_SECONDS = 3
_READERS = 8
_PNG = b"\x89PNG\r\n\x1a\n"

Job = dict[str, Any]


class Truth(NamedTuple):
    """Jobs by id, from the list and read one by one; files by job, in the bucket and on the GPUs.

    `slots` are those that are still taken, by the id of the instance.
    """

    listed: dict[str, Job]
    read: dict[str, Job | None]
    stored: dict[str, int]
    made: dict[str, int]
    made_by_gpu: list[int]
    slots: dict[str, list[str]]
    no_image: list[str]


class Reader:
    """Reads the final state of a deployment."""

    def __init__(
        self, emulator: Emulator, api: Api, bucket: str, gpu_directories: Sequence[Path]
    ) -> None:
        self._api = api
        self._bucket = bucket
        self._s3 = emulator.client("s3")
        self._dynamodb = emulator.client("dynamodb")
        self._gpu_directories = gpu_directories

    def await_image(self, *, until: float) -> None:
        """Wait until a GPU has made an image, so that faults hit work."""
        while not any(map(self._made, self._gpu_directories)) and time.monotonic() < until:
            time.sleep(0.5)

    def await_ends(self, *, until: float) -> bool:
        """Wait until no job is open, and no slot is taken; return False if time runs out."""
        while self._has_open_jobs() or self._slots():
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def truth(self, known: set[str]) -> Truth:
        """Read everything; `known` has the ids of the jobs that callers know."""
        listed = self._listed()
        ids = sorted(known | set(listed))
        with ThreadPoolExecutor(_READERS) as readers:
            read = dict(zip(ids, readers.map(self._job, ids), strict=True))
            done = [job for job in read.values() if job and job["status"] == "succeeded"]
            good = list(readers.map(self._has_image, done))
        no_image = [job["id"] for job, is_good in zip(done, good, strict=True) if not is_good]
        made = [self._made(each) for each in self._gpu_directories]
        by_gpu = [each.total() for each in made]
        every = dict(sum(made, Counter[str]()))
        return Truth(listed, read, self._stored(), every, by_gpu, self._slots(), no_image)

    def _has_open_jobs(self) -> bool:
        # Not by status: all jobs may go from `starting` to `queued` between two requests.
        try:
            return any(job["finished_at"] is None for job in self._listed().values())
        except requests.RequestException:
            return True

    def _slots(self) -> dict[str, list[str]]:
        """Return the jobs that have slots; no answer of the API shows them."""
        names = self._dynamodb.list_tables()["TableNames"]
        [table] = [name for name in names if "FleetTable" in name]
        records = self._dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        return {each["id"]["S"]: each["jobs"]["SS"] for each in records if "jobs" in each}

    def _listed(self) -> dict[str, Job]:
        found: dict[str, Job] = {}
        url: str | None = f"{_JOBS}?limit=100"
        while url:
            answer = self._api.call("GET", url)
            answer.raise_for_status()
            found |= {job["id"]: job for job in answer.json()}
            url = answer.links.get("next", {}).get("url")
        return found

    def _job(self, job_id: str) -> Job | None:
        answer = self._api.call("GET", f"{_JOBS}/{job_id}")
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        job: Job = answer.json()
        return job

    def _stored(self) -> dict[str, int]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        # An image and its provenance differ in the suffix only.
        images = {key.rpartition(".")[0] for key in keys}
        return dict(Counter(image.split("/")[1] for image in images))

    def _made(self, directory: Path) -> Counter[str]:
        folders = (directory / "output" / "darkroom").glob("*")
        return Counter({folder.name: len(list(folder.glob("*.png"))) for folder in folders})

    def _has_image(self, job: Job) -> bool:
        """Return whether a job has its image, and the image's provenance."""
        if len(job["image_urls"]) != 1:
            return False
        content = requests.get(job["image_urls"][0], timeout=60).content
        is_whole = content[:8] == _PNG and unpack(">II", content[16:24]) == (SIZE, SIZE)
        told = self._api.call("GET", f"/api/images/files/{job['id']}-0/provenance")
        return is_whole and told.ok and told.json()["sha256"] == sha256(content).hexdigest()
