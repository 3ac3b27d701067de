"""Bugs that other systems around ComfyUI have, and that this one is not to have."""

from typing import Any

import pytest
from aiohttp import web

from chalicelib.config import config
from chalicelib.gateways.comfyui.state import State
from chalicelib.models.fleet.instance import InstanceRecord
from chalicelib.models.jobs.job import Job
from tests.gateways.faulty import Script, serving
from tests.gateways.following import connect
from tests.gateways.talks import PROGRESS
from tests.services.fakes import FakeComfyUI, FakeFleet, Parts
from tests.services.workers import PacedComfyUI, Workers, accept_jobs, slot_holders

NEVER = 10**6


@pytest.fixture
def parts(aws: None) -> Parts:
    return Parts()


def use(parts: Parts, url: str, *, tick: float) -> None:
    """Have the jobs made by a ComfyUI behind the real gateway; time passes as it is looked at."""

    def clock() -> float:
        parts.clock.advance(tick)
        return parts.clock()

    parts.fleet.comfyuis["i-1"] = connect(url, clock)


async def png(_request: web.Request) -> web.Response:
    return web.Response(body=b"\x89PNG", headers={"Content-Length": "4"})


def test_an_end_that_falls_into_a_gap_of_the_websocket_is_found(parts: Parts) -> None:
    """ComfyUI sends each message once; who is not connected then never hears of the end."""
    [job_id] = accept_jobs(parts)
    sockets: list[web.WebSocketResponse] = []

    async def talk(socket: web.WebSocketResponse) -> None:
        sockets.append(socket)
        if len(sockets) == 1:
            data = {**PROGRESS["data"], "prompt_id": f"{job_id}-1"}  # type: ignore[dict-item]
            await socket.send_json({"type": "progress", "data": data})
            return  # the connection breaks, and the run ends before there is another
        await socket.receive()

    script = Script(attempt_id=f"{job_id}-1", talk=talk, ends_at_look=2, answers={"view": png})
    with serving(script) as url:
        use(parts, url, tick=0.3)
        job = parts.work(job_id)
    assert (job.status, len(sockets)) == ("succeeded", 2)
    assert parts.images.stored == {f"images/{job_id}/0.png": b"\x89PNG"}
    assert [each.reason for each in job.attempts] == ["first"]


class Dead(Script):
    """Takes every prompt; its worker has died, so that none ever ends and no interrupt helps."""

    def _usual(self, part: str) -> Any:
        paths = [request.path for request in self.requests if request.method == "POST"]
        ids = [f"{self.attempt_id}-{n}" for n in range(1, paths.count("/prompt") + 1)]
        items = [[number, id_, {}, {}, []] for number, id_ in enumerate(ids)]
        queue = {"queue_running": items[:1], "queue_pending": items[1:]}
        return {"queue": queue, "history": {}}.get(part, super()._usual(part))


class WatchfulFleet(FakeFleet):
    """Asks its ComfyUIs whether they are sick, as the real one does."""

    def observe_serving(self) -> list[Any]:
        return [each for each in super().observe_serving() if not self.is_unhealthy(each)]

    def is_unhealthy(self, server: Any) -> bool:
        unhealthy_attempt = InstanceRecord.read(server.instance.id).unhealthy_attempt
        return bool(unhealthy_attempt) and bool(server.comfyui.is_unhealthy(unhealthy_attempt))


def test_a_run_that_never_settles_ends_by_its_deadline_and_with_a_reason(parts: Parts) -> None:
    """ComfyUI's HTTP goes on answering when the thread that runs prompts has died."""
    parts.fleet = WatchfulFleet(parts.comfyui)
    [job_id] = accept_jobs(parts)
    workers = Workers(parts)
    with serving(Dead(attempt_id=job_id)) as url:
        use(parts, url, tick=20)
        while Job.find(job_id).is_open:
            parts.clock.advance(30)
            assert workers.work()
    job = Job.find(job_id)
    assert (job.status, job.images) == ("failed", [])
    assert job.error["code"] in ("deadline_exceeded", "expired")
    assert job.error["message"].startswith("not done within")
    assert job.finished_at - job.created_at <= config.job_deadline_seconds + 300
    assert (
        InstanceRecord.read("i-1").unhealthy_attempt == f"{job_id}-1"
    )  # so that the instance is restarted
    assert len(job.attempts) == 1
    assert slot_holders() == set()


def test_a_job_that_takes_longer_than_a_gateway_waits_is_made_once(aws: None) -> None:
    """API Gateway gives up after 29 s; the message that comes later must not run it again."""
    parts = Parts(FakeComfyUI())
    gpu = PacedComfyUI(parts.clock, seconds=45)
    parts.fleet.comfyuis["i-1"] = gpu
    began = parts.clock()
    [job] = parts.submit(wait_seconds=25)
    assert job.status == "running"  # the caller is told to look later
    assert 25 <= parts.clock() - began < 28
    while parts.queue.sent:
        messages, parts.queue.sent = parts.queue.sent, []
        parts.clock.advance(min(delay for _, delay in messages))
        for job_id, _ in messages * 2:  # SQS may deliver each of them twice
            parts.work(job_id)
    assert Job.find(job.id).status == "succeeded"
    assert gpu.submitted == [f"{job.id}-1"]
    assert (parts.images.puts, len(parts.images.stored)) == (1, 1)


class Overtaken(FakeComfyUI):
    """Its first follower sleeps, while another takes over and ends the job."""

    parts: Parts
    told: Any = None

    def follow(self, attempt_id: str, events: None, *, until: float, report: Any) -> State:
        if self.told is None:
            self.told = "overtaken"
            self.parts.clock.advance(120)
            self.told = self.parts.work(attempt_id.rpartition("-")[0]).status
            report.heard({"value": 3, "max": 20, "node": "3"})
            raise AssertionError("a driver whose lease has ended was let write")
        return super().follow(attempt_id, events, until=until, report=report)


def test_a_late_report_of_a_run_does_not_undo_its_end(aws: None) -> None:
    comfyui = Overtaken()
    comfyui.parts = parts = Parts(comfyui)
    [job_id] = accept_jobs(parts)
    parts.work(job_id)
    assert comfyui.told == "succeeded"
    job = Job.find(job_id)
    assert (job.status, job.progress, job.lease) == ("succeeded", None, None)
    assert [*parts.images.stored] == [each["key"] for each in job.images]
    assert len(job.images) == 1
