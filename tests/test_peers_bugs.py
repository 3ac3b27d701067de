"""Bugs that other systems around ComfyUI have, and that Darkroom must not have."""

from typing import Any

import pytest
from aiohttp import web

from chalicelib.config import config
from chalicelib.gateways.comfyui.state import State
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.attempt import attempt_id
from chalicelib.models.jobs.job import Job
from tests.gateways.faulty import Script, serving
from tests.gateways.following import connect
from tests.gateways.talks import PROGRESS
from tests.services.fakes import FakeComfyUI, Parts
from tests.services.workers import PacedComfyUI, accept_jobs, slot_holders


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts()


def use(parts: Parts, url: str, *, tick: float) -> None:
    """Serve i-1 by the ComfyUI at `url`, through the real gateway with a clock that ticks."""

    def clock() -> float:
        parts.clock.advance(tick)
        return parts.clock()

    parts.ec2.comfyuis["i-1"] = connect(url, clock)


async def png(_request: web.Request) -> web.Response:
    return web.Response(body=b"\x89PNG", headers={"Content-Length": "4"})


def test_an_execution_that_ends_while_the_websocket_is_down_is_noticed(parts: Parts) -> None:
    """ComfyUI sends each message once, and only to clients that are connected."""
    [job_id] = accept_jobs(parts)
    sockets: list[web.WebSocketResponse] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            data = {**PROGRESS["data"], "prompt_id": attempt_id(job_id, 1)}  # type: ignore[dict-item]
            await socket.send_json({"type": "progress", "data": data})
            return  # the connection breaks, and the execution ends before the next one
        await socket.receive()

    script = Script(
        attempt_id=attempt_id(job_id, 1), talk=talk, ends_at_look=2, answers={"view": png}
    )
    with serving(script) as url:
        use(parts, url, tick=0.3)
        job = parts.work(job_id)
    assert (job.status, len(sockets)) == ("succeeded", 2)
    assert parts.images.stored == {f"images/{job_id}/0.png": b"\x89PNG"}
    assert [each.reason for each in job.attempts] == ["first"]


SUBMISSION = ("POST", "/prompt")


class Dead(Script):
    """A ComfyUI whose worker has died: it takes prompts, but none ends and no interrupt works."""

    def _default(self, part: str) -> Any:
        submitted = [each for each in self.requests if (each.method, each.path) == SUBMISSION]
        running = [[0, self.attempt_id, {}, {}, []] for _ in submitted]
        queue = {"queue_running": running, "queue_pending": []}
        return {"queue": queue, "history": {}}.get(part, super()._default(part))


def test_a_job_whose_execution_never_ends_fails_at_its_deadline_with_a_reason(parts: Parts) -> None:
    """ComfyUI still answers HTTP requests when the thread that runs prompts has died."""
    [job_id] = accept_jobs(parts)
    with serving(Dead(attempt_id=attempt_id(job_id, 1))) as url:
        use(parts, url, tick=20)
        while Job.find(job_id).is_open:
            parts.clock.advance(30)
            parts.work(job_id)
            parts.overdue_jobs.sweep()
    job = Job.find(job_id)
    assert (job.status, job.images) == ("failed", [])
    assert job.error["code"] in ("deadline_exceeded", "expired")
    assert "within" in job.error["message"]
    assert job.finished_at - job.created_at <= config.job_deadline_seconds + 300
    assert InstanceRecord.read("i-1").unhealthy_attempt == attempt_id(
        job_id, 1
    )  # so that the instance is restarted
    assert len(job.attempts) == 1
    assert slot_holders() == set()


def test_a_job_that_outlasts_the_timeout_of_api_gateway_is_generated_once(aws: None) -> None:
    """API Gateway times out after 29 s; the message that comes later must not generate it again."""
    parts = Parts(FakeComfyUI())
    gpu = PacedComfyUI(parts.clock, seconds=45)
    parts.ec2.comfyuis["i-1"] = gpu
    began = parts.clock()
    [job] = parts.submit(wait_seconds=25)
    assert job.status == "running"  # the caller has to poll
    assert 25 <= parts.clock() - began < 28
    messages = parts.queue.take()
    assert [body for body, _ in messages] == ["i-1 check", "i-1"]
    for _, delay in messages:
        parts.clock.advance(delay)
        for _ in range(2):  # SQS may deliver a message twice
            parts.work(job.id)
    assert Job.find(job.id).status == "succeeded"
    assert gpu.submitted == [attempt_id(job.id, 1)]
    assert (parts.images.puts, len(parts.images.stored)) == (1, 1)


class Overtaken(FakeComfyUI):
    """A ComfyUI whose first driver sleeps while another one takes over and ends the job."""

    parts: Parts
    job_id: str
    other_status: Any = None

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if self.other_status is None:
            self.other_status = "overtaken"
            self.parts.clock.advance(120)
            self.other_status = self.parts.work(self.job_id).status
            report.heard({"value": 3, "max": 20, "node": "3"})
            raise AssertionError("a driver whose lease had ended could write")
        return super().follow(attempt_id, events, until=until, report=report)


def test_a_late_progress_report_does_not_change_a_job_that_has_ended(aws: None) -> None:
    comfyui = Overtaken()
    comfyui.parts = parts = Parts(comfyui)
    [job_id] = accept_jobs(parts)
    comfyui.job_id = job_id
    parts.work(job_id)
    assert comfyui.other_status == "succeeded"
    job = Job.find(job_id)
    assert (job.status, job.progress, job.lease) == ("succeeded", None, None)
    assert [*parts.images.stored] == [each["key"] for each in job.images]
    assert len(job.images) == 1
