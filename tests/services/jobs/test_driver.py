"""The state machine of a job, along every path."""

from collections.abc import Callable

import pytest

from chalicelib.errors import ComfyUIUnreachable, JobFinished, WorkflowRejected
from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished, ImageFile, Waiting
from chalicelib.models.jobs.acceptance import accept
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from chalicelib.services.jobs.driver import Driver
from chalicelib.signals import JobBusy
from tests.services.bucket import FakeImages
from tests.services.fakes import SAVED, Clock, FakeComfyUI, Parts
from tests.services.workers import acquire_slot

PARAMETERS = {
    "prompt": "a fox",
    "negative_prompt": "",
    "width": 64,
    "height": 64,
    "steps": 1,
    "cfg_scale": 7.5,
    "seed": 2**64 - 1,
    "checkpoint": "a.safetensors",
    "sampler": "euler",
    "scheduler": "normal",
}
INTERRUPTED = Finished({}, Failure("interrupted", "the execution was interrupted in ComfyUI"))


@pytest.fixture
def comfyui(parts: Parts) -> FakeComfyUI:
    return parts.comfyui


@pytest.fixture
def images(parts: Parts) -> FakeImages:
    return parts.images


@pytest.fixture
def driver(parts: Parts) -> Driver:
    return parts.driver


@pytest.fixture
def job(clock: Clock) -> Job:
    job = Job.new("01J", now=clock(), due_at=clock(), parameters=PARAMETERS)
    job.parameters_item.store()
    accept([job], None, "f", now=clock())
    return job


@pytest.fixture
def advance(driver: Driver, job: Job, clock: Clock) -> Callable[[], Job]:
    def once() -> Job:
        driver.advance(Job.find(job.id), until=clock() + 60)
        return Job.find(job.id)

    return once


Advance = Callable[[], Job]


def test_a_job_ends_with_its_image_stored(advance: Advance, images: FakeImages) -> None:
    job = advance()
    assert job.status == "succeeded"
    stored = {"key": "images/01J/0.png", "provenance": "images/01J/0.json"}
    assert job.images == [{"id": "01J-0", **stored}]
    assert images.stored == {"images/01J/0.png": b"png"}
    assert [*images.provenance] == ["images/01J/0.json"]
    assert job.lease is None


def test_seed_and_cfg_scale_reach_comfyui_exactly(advance: Advance, comfyui: FakeComfyUI) -> None:
    advance()
    assert comfyui.graphs[0]["3"]["inputs"]["seed"] == 2**64 - 1
    assert comfyui.graphs[0]["3"]["inputs"]["cfg"] == 7.5


def test_an_attempt_is_written_down_before_it_is_submitted(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    seen: list[list[str]] = []
    comfyui.on_submit = lambda: seen.append([each.id for each in Job.find("01J").attempts])
    advance()
    assert seen == [[attempt_id("01J", 1)]]
    assert comfyui.submitted == [attempt_id("01J", 1)]


def test_a_finished_job_is_never_driven_again(advance: Advance, comfyui: FakeComfyUI) -> None:
    advance()
    with pytest.raises(JobFinished):
        advance()
    assert comfyui.submitted == [attempt_id("01J", 1)]


def test_two_drivers_never_drive_one_job(driver: Driver, clock: Clock, job: Job) -> None:
    job.claim("another driver's lease", now=clock(), until=clock() + 60)
    with pytest.raises(JobBusy):
        driver.advance(Job.find(job.id), until=clock() + 60)


def test_a_dead_driver_is_replaced_when_its_lease_ends(
    advance: Advance, clock: Clock, job: Job
) -> None:
    job.claim("a dead driver's lease", now=clock(), until=clock() + 60)
    clock.advance(61)
    assert advance().status == "succeeded"


def test_an_execution_that_outlasts_its_driver_is_followed_by_the_next_driver(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    comfyui.ends = [Waiting(0), Finished(SAVED)]
    assert advance().status == "running"
    assert advance().status == "succeeded"
    assert comfyui.submitted == [attempt_id("01J", 1)]


def test_an_execution_that_finished_without_a_driver_is_not_submitted_again(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    comfyui.ends = [Waiting(0)]
    advance()
    comfyui.known[attempt_id("01J", 1)] = Finished(SAVED)
    assert advance().status == "succeeded"
    assert comfyui.submitted == [attempt_id("01J", 1)]


def test_an_attempt_that_comfyui_forgot_is_made_again(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    comfyui.ends = [None, Finished(SAVED)]
    job = advance()
    assert comfyui.submitted == [attempt_id("01J", 1), attempt_id("01J", 2)]
    assert [each.reason for each in job.attempts] == ["first", "lost"]


def test_an_attempt_that_was_never_executed_does_not_count(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    acquire_slot("another")  # is before it in ComfyUI's queue
    comfyui.ends = [None] * 6
    job = advance()
    assert (job.status, len(job.attempts)) == ("succeeded", 7)


def test_an_interrupted_attempt_is_made_again(advance: Advance, comfyui: FakeComfyUI) -> None:
    comfyui.ends = [INTERRUPTED, Finished(SAVED)]
    assert advance().status == "succeeded"
    assert comfyui.submitted == [attempt_id("01J", 1), attempt_id("01J", 2)]


def test_a_job_fails_after_three_lost_attempts(advance: Advance, comfyui: FakeComfyUI) -> None:
    comfyui.ends = [None, None, None]
    job = advance()
    assert (job.status, job.error["code"]) == ("failed", "attempts_exhausted")
    assert len(comfyui.submitted) == 3


def test_a_submission_whose_answer_was_lost_is_looked_up_before_it_is_repeated(
    advance: Advance, comfyui: FakeComfyUI, clock: Clock
) -> None:
    def lose_the_answer() -> None:
        raise ComfyUIUnreachable("ComfyUI did not answer")

    comfyui.on_submit = lose_the_answer
    assert advance().status == "running"
    comfyui.on_submit = lambda: None
    clock.advance(5)
    assert advance().status == "succeeded"
    assert comfyui.submitted == [attempt_id("01J", 1)]


def test_each_attempt_has_its_own_filename_prefix(advance: Advance, comfyui: FakeComfyUI) -> None:
    comfyui.ends = [None]
    advance()
    prefixes = [graph["9"]["inputs"]["filename_prefix"] for graph in comfyui.graphs]
    folder, ids = "darkroom/01J", (attempt_id("01J", 1), attempt_id("01J", 2))
    assert prefixes == [f"{folder}/{ids[0]}-1", f"{folder}/{ids[1]}-1"]


def test_only_the_output_of_the_workflow_is_executed(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    advance()
    assert comfyui.outputs == [["9"]]


def test_every_submitted_node_has_its_title(advance: Advance, comfyui: FakeComfyUI) -> None:
    """From 0.14.0 ComfyUI answers 500 if it replaces the class of a node without `_meta`."""
    advance()
    assert all(node["_meta"]["title"] for node in comfyui.graphs[0].values())


def test_a_failed_store_fetches_the_image_again_and_does_not_generate_it_again(
    advance: Advance, comfyui: FakeComfyUI, images: FakeImages, clock: Clock
) -> None:
    images.failures = 1
    assert advance().status_reason == "the image could not be stored"
    clock.advance(5)
    assert advance().status == "succeeded"
    assert (comfyui.submitted, images.puts) == ([attempt_id("01J", 1)], 2)


def test_an_image_that_comfyui_lost_is_generated_again(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    gone = Finished({"9": [ImageFile("gone.png", "darkroom", "output")]})
    comfyui.ends, comfyui.lost_files = [gone, Finished(SAVED)], {"gone.png"}
    assert advance().status == "succeeded"
    assert comfyui.submitted == [attempt_id("01J", 1), attempt_id("01J", 2)]


def test_a_rejected_workflow_names_the_field_and_is_not_retried(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    def refuse() -> None:
        raise WorkflowRejected(
            "ComfyUI does not have 'a.safetensors'",
            node_id="4",
            input_name="ckpt_name",
            suggestion="Choose one of: b.safetensors",
        )

    comfyui.on_submit = refuse
    job = advance()
    assert job.status == "failed"
    assert job.error == {
        "code": "workflow_rejected",
        "message": "checkpoint: ComfyUI does not have 'a.safetensors'",
        "suggestion": "With a key of an admin, set default_checkpoint in /api/images/settings. "
        "Choose one of: b.safetensors",
        "field": "checkpoint",
    }
    assert len(comfyui.submitted) == 1


def test_a_rejected_part_that_no_request_sets_is_for_the_operator(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    def refuse() -> None:
        raise WorkflowRejected("ComfyUI does not have the node FluxCapacitor", node_id="8")

    comfyui.on_submit = refuse
    error = advance().error
    assert error["field"] is None
    assert error["suggestion"].startswith("Report the job's id to the operator")


def test_a_failure_in_comfyui_ends_the_job_with_its_code(
    advance: Advance, comfyui: FakeComfyUI
) -> None:
    comfyui.ends = [Finished({}, Failure("node_failed", "it went wrong"))]
    job = advance()
    assert (job.status, job.error["code"]) == ("failed", "node_failed")
    assert job.images == []


def test_a_job_whose_execution_makes_no_image_fails(advance: Advance, comfyui: FakeComfyUI) -> None:
    preview = Finished({"9": [ImageFile("p.png", "", "temp")]})
    comfyui.ends = [preview]
    assert advance().error["code"] == "no_image"


def test_images_of_other_nodes_are_not_stored(advance: Advance, comfyui: FakeComfyUI) -> None:
    comfyui.ends = [Finished({**SAVED, "77": [ImageFile("other.png", "", "output")]})]
    assert len(advance().images) == 1


def test_a_driver_that_lost_its_lease_changes_nothing(
    advance: Advance, comfyui: FakeComfyUI, clock: Clock
) -> None:
    def sleep_too_long() -> None:
        clock.advance(200)
        Job.find("01J").claim("the next driver", now=clock(), until=clock() + 60)

    comfyui.on_submit = sleep_too_long
    job = advance()
    assert (job.status, job.lease) == ("running", "the next driver")


def test_an_unexpected_error_leaves_the_job_to_the_next_driver(
    advance: Advance, comfyui: FakeComfyUI, clock: Clock
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    comfyui.on_submit = fail
    with pytest.raises(ZeroDivisionError):
        advance()
    comfyui.on_submit = lambda: None
    clock.advance(5)
    assert advance().status == "succeeded"
