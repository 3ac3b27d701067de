"""Seats on the GPUs: who gets one, who waits in the line, and who calls whom."""

import pytest

from chalicelib.config import config
from chalicelib.errors import GpuNotReady
from chalicelib.models.job import Job
from tests.services.fakes import FakeFleet, Parts
from tests.services.gpus import (
    SlowComfyUI,
    late,
    seated,
    work_all,
)

SEATS, TURN = config.gpu_seats, "waiting for its turn"
STARTING = GpuNotReady("the GPU instance is starting", retry_seconds=2)


@pytest.fixture
def gpu() -> SlowComfyUI:
    return SlowComfyUI()


@pytest.fixture
def parts(aws: None, gpu: SlowComfyUI) -> Parts:
    return Parts(gpu)


def fleet_of(parts: Parts) -> FakeFleet:
    fleet: FakeFleet = parts.fleet
    return fleet


def new_messages(parts: Parts) -> list[tuple[str, int]]:
    """Return the messages since the last look."""
    sent, parts.queue.sent = parts.queue.sent, []
    return sent


def test_a_job_takes_a_free_seat_and_keeps_it_to_its_end(parts: Parts, gpu: SlowComfyUI) -> None:
    [job_id] = late(parts)
    for _ in range(3):
        assert parts.work(job_id).status == "running"
        assert seated() == {job_id}
    gpu.end(job_id)
    assert parts.work(job_id).status == "succeeded"
    assert seated() == set()
    assert gpu.submitted == [f"{job_id}-1"]


def test_who_finds_no_seat_stands_in_the_line_and_needs_no_message(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = late(parts, SEATS + 2)
    assert work_all(parts, ids[:SEATS]) == ["running"] * SEATS
    new_messages(parts)
    assert work_all(parts, ids[SEATS:]) == ["queued"] * 2
    assert new_messages(parts) == []
    assert [each.rpartition("-")[0] for each in gpu.submitted] == ids[:SEATS]
    for job_id in ids[SEATS:]:
        job = Job.find(job_id)
        assert (job.lease, bool(job.line), job.status_reason) == (
            None,
            True,
            "waiting for its turn",
        )
        assert job.due_at >= parts.clock() + 60


def test_who_waits_for_an_image_stands_in_the_same_line(parts: Parts) -> None:
    ids = late(parts, SEATS)
    work_all(parts, ids)
    [waiting] = parts.submit(wait_seconds=5)
    assert (waiting.status, bool(waiting.line)) == ("queued", True)
    [behind] = late(parts)
    assert Job.find(behind).place > waiting.place


def test_who_leaves_calls_the_next(parts: Parts, gpu: SlowComfyUI) -> None:
    ids = late(parts, SEATS + 2)
    work_all(parts, ids)
    new_messages(parts)
    gpu.end(ids[0])
    parts.clock.advance(1)
    parts.work(ids[0])
    called, forgotten = Job.find(ids[SEATS]), Job.find(ids[SEATS + 1])
    assert new_messages(parts) == [(called.id, 0)]
    assert called.due_at == parts.clock()
    assert forgotten.due_at > parts.clock() + 60
    assert parts.work(called.id).status == "running"
    assert seated() == {*ids[1 : SEATS + 1]}


def test_who_is_driven_or_due_soon_is_not_called(parts: Parts, gpu: SlowComfyUI) -> None:
    ids = late(parts, SEATS + 2)
    work_all(parts, ids)
    Job.find(ids[SEATS]).rearm(now=parts.clock())
    Job.find(ids[SEATS]).claim("a driver", now=parts.clock(), until=parts.clock() + 60)
    new_messages(parts)
    gpu.end(ids[0])
    parts.work(ids[0])
    assert new_messages(parts) == []


def test_a_call_is_not_lost_with_its_message(parts: Parts, gpu: SlowComfyUI) -> None:
    ids = late(parts, SEATS + 1)
    work_all(parts, ids)
    gpu.end(ids[0])
    parts.queue.is_broken = True
    assert parts.work(ids[0]).status == "succeeded"
    assert Job.find(ids[SEATS]).due_at == parts.clock()  # which the keeper sees


def test_the_first_in_the_line_goes_first_whoever_is_looked_at_first(
    parts: Parts, gpu: SlowComfyUI
) -> None:
    ids = late(parts, SEATS + 2)
    assert work_all(parts, ids[SEATS:]) == ["queued"] * 2  # though all seats are free
    assert work_all(parts, ids[:SEATS]) == ["running"] * SEATS
    gpu.end(ids[1])
    parts.work(ids[1])
    last = Job.find(ids[SEATS + 1])
    last.rearm(now=parts.clock())
    assert parts.work(last.id).status == "queued"
    assert parts.work(ids[SEATS]).status == "running"


def test_who_is_looked_at_too_early_calls_those_before(parts: Parts) -> None:
    ids = late(parts, SEATS + 1)
    for job_id in ids[:SEATS]:
        job = Job.find(job_id)
        job.claim("a driver", now=parts.clock(), until=parts.clock() + 60)
        job.put_back("queued", None, due_at=parts.clock() + 300)
    new_messages(parts)
    parts.work(ids[SEATS])
    assert new_messages(parts) == [(job_id, 0) for job_id in ids[:SEATS]]


def test_a_gpu_that_is_off_is_polled_by_as_many_as_it_has_seats(parts: Parts) -> None:
    fleet_of(parts).refusal = STARTING
    ids = late(parts, SEATS + 4)
    new_messages(parts)
    assert work_all(parts, ids) == ["starting"] * SEATS + ["queued"] * 4
    assert new_messages(parts) == [(job_id, 2) for job_id in ids[:SEATS]]
    parts.clock.advance(2)
    assert work_all(parts, ids) == ["starting"] * SEATS + ["queued"] * 4
    assert new_messages(parts) == [(job_id, 2) for job_id in ids[:SEATS]]
    fleet_of(parts).refusal = None
    parts.clock.advance(2)
    assert work_all(parts, ids) == ["running"] * SEATS + ["queued"] * 4
