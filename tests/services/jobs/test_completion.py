"""Every image is stored with its provenance; a job succeeds only when both are stored."""

import json
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from chalicelib.gateways.comfyui.state import Finished, ImageFile, Software
from chalicelib.models.fleet import boots
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.schemas.generation import GenerateRequest
from chalicelib.version import VERSION
from tests.services.fakes import SAVED, Parts
from tests.services.jobs.test_generated_mark import mark, png

PNG = png()
ENDED_AT = 1_800_000_004.25


def provenance(parts: Parts, job: Job, index: int = 0) -> Any:
    """Return the stored provenance of an image."""
    return json.loads(parts.images.provenance[f"images/{job.id}/{index}.json"])


def test_provenance_holds_all_that_is_needed_to_make_the_image_again(parts: Parts) -> None:
    parts.comfyui.ends = [Finished(SAVED, None, 2.0, ENDED_AT)]
    [job] = parts.submit(post_id="42")
    assert job.status == "succeeded"
    assert provenance(parts, job) == {
        "image_id": f"{job.id}-0",
        "sha256": sha256(b"png").hexdigest(),
        "bytes": 3,
        "created_at": "2027-01-15T08:00:04.250Z",
        "job_id": job.id,
        "attempt_id": attempt_id(job.id, 1),
        "post_id": "42",
        "schedule_id": None,
        "scheduled_at": None,
        "owner": "nobody",
        "parameters": {
            "prompt": "a fox",
            "negative_prompt": "",
            "width": 512,
            "height": 512,
            "steps": 20,
            "cfg_scale": 7.0,
            "seed": 5,
            "checkpoint": "a.safetensors",
            "sampler": "euler",
            "scheduler": "normal",
        },
        "workflow": parts.comfyui.graphs[0],
        "output": {"node_id": "9", "index": 0},
        "made_with": {
            "darkroom": VERSION,
            "comfyui": "0.3.60",
            "pytorch": "2.8.0+cu128",
            "device": "cuda:0 NVIDIA A10G",
            "instance_type": "g5.xlarge",
        },
    }


def test_every_image_of_an_execution_has_its_own_provenance(parts: Parts) -> None:
    files = [ImageFile(f"a_0000{number}_.png", "", "output") for number in (1, 2)]
    parts.comfyui.ends = [Finished({"9": files})]
    [job] = parts.submit()
    assert [each["provenance"] for each in job.images] == [*parts.images.provenance]
    for index in (0, 1):
        found = provenance(parts, job, index)
        assert found["image_id"] == job.images[index]["id"] == f"{job.id}-{index}"
        assert found["output"]["index"] == index


def test_a_job_succeeds_only_when_its_provenance_is_stored(parts: Parts) -> None:
    parts.images.provenance_failures = 1
    [job] = parts.submit(wait_seconds=0)
    assert parts.work(job.id).status_reason == "the image could not be stored"
    parts.clock.advance(5)
    assert parts.work(job.id).status == "succeeded"
    assert (parts.comfyui.submitted, parts.images.puts) == ([attempt_id(job.id, 1)], 2)


def test_provenance_that_is_stored_again_is_the_same(parts: Parts) -> None:
    [job] = parts.submit()
    before = dict(parts.images.provenance)
    parts.clock.advance(100)
    [server] = parts.inventory.serving()
    end = parts.comfyui.find(attempt_id(job.id, 1))
    parts.storage.store(job, server, end, SAVED["9"])  # type: ignore[arg-type]
    assert parts.images.provenance == before


def test_provenance_holds_the_graph_that_comfyui_executed(parts: Parts) -> None:
    ran = {"1": {"class_type": "Older", "inputs": {}}}
    parts.comfyui.ends = [Finished(SAVED, graph=ran)]
    [job] = parts.submit()
    assert provenance(parts, job)["workflow"] == ran


def test_provenance_names_the_attempt_that_made_the_image(parts: Parts) -> None:
    parts.comfyui.ends = [None]
    [job] = parts.submit()
    found = provenance(parts, job)
    assert found["attempt_id"] == attempt_id(job.id, 2)
    assert found["workflow"] == parts.comfyui.graphs[1]


def stored(parts: Parts, job: Job) -> bytes:
    [image] = job.images
    content: bytes = parts.images.stored[image["key"]]
    return content


def test_a_stored_png_is_marked_as_generated_and_its_provenance_is_that_of_the_marked_one(
    parts: Parts,
) -> None:
    parts.comfyui.content = PNG
    [job] = parts.submit()
    content, about = stored(parts, job), provenance(parts, job)
    assert content == mark(PNG, f"{job.id}-0") != PNG
    assert (about["sha256"], about["bytes"]) == (sha256(content).hexdigest(), len(content))


def test_an_image_is_stored_as_it_is_where_marks_are_turned_off(parts: Parts) -> None:
    parts.comfyui.content = PNG
    parts.config = replace(parts.config, mark_generated=0)
    [job] = parts.submit()
    assert stored(parts, job) == PNG
    assert provenance(parts, job)["sha256"] == sha256(PNG).hexdigest()


def made_with(parts: Parts) -> Any:
    [job] = parts.submit()
    return provenance(parts, job)["made_with"]


def test_comfyui_is_asked_for_its_versions_once_after_each_start(parts: Parts) -> None:
    record = InstanceRecord.read("i-1")
    record.became_ready(now=1)
    for _ in range(2):
        made_with(parts)
    assert parts.comfyui.asked_for_software == 1
    boots.went_off(record, now=2)
    record.became_ready(now=3)
    parts.comfyui.software_is = Software("0.4.0", None, None)
    assert made_with(parts)["comfyui"] == "0.4.0"
    assert parts.comfyui.asked_for_software == 2


def test_an_image_is_stored_even_if_comfyui_does_not_return_its_versions(parts: Parts) -> None:
    parts.comfyui.software_is = None
    assert made_with(parts)["comfyui"] is None
    parts.comfyui.software_is = Software("0.4.0", None, None)
    assert made_with(parts)["comfyui"] == "0.4.0"


def test_provenance_holds_the_prompt_unchanged(parts: Parts) -> None:
    text = '雪 🦊 "quoted" \\ \x00\n é'
    [job] = parts.submit(request=GenerateRequest(prompt=text))
    assert provenance(parts, job)["parameters"]["prompt"] == text
