"""The routes for prompts, the queue and the history."""

import json
import logging
import time
import uuid
from typing import Any

from aiohttp import web

from local.comfyui.catalog import Catalog
from local.comfyui.graph import Validation
from local.comfyui.machine import Machine
from local.comfyui.problems import Problem, problem
from local.comfyui.prompts import Prompt, Prompts

log = logging.getLogger(__name__)

ID_FORM = (
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
    "omit it to let the server generate one"
)
SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")


class PromptRoutes:
    """The routes `/prompt`, `/queue`, `/history`, `/interrupt` and `/free`."""

    def __init__(self, prompts: Prompts, machine: Machine, catalog: Catalog) -> None:
        self._prompts = prompts
        self._machine = machine
        self._catalog = catalog
        self._counter = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/prompt", self.count),
            web.post("/prompt", self.submit),
            web.get("/queue", self.queue),
            web.post("/queue", self.change_queue),
            web.post("/interrupt", self.interrupt),
            web.get("/history", self.history),
            web.post("/history", self.change_history),
            web.get("/history/{prompt_id}", self.entry),
            web.post("/free", self.free),
        ]

    def exec_info(self) -> dict[str, Any]:
        """Return the number of prompts that wait or run."""
        return {"exec_info": {"queue_remaining": self._prompts.remaining}}

    async def count(self, _request: web.Request) -> web.Response:
        """Answer with the number of prompts that wait or run."""
        return web.json_response(self.exec_info())

    async def submit(self, request: web.Request) -> web.Response:
        """Validate a graph and queue it; a body that raises an exception gives a 500."""
        log.info("got prompt")
        body = await request.json()
        number = self._number(body)
        if "prompt" not in body:
            return _refusal(problem("no_prompt", "No prompt provided"))
        prompt_id = body.get("prompt_id")
        if prompt_id is None:
            prompt_id = str(uuid.uuid4())
        elif not _is_canonical(prompt_id):
            return _refusal(problem("invalid_prompt_id", ID_FORM))
        graph = body["prompt"]
        check = Validation(graph, self._catalog.classes(), self._catalog.has_input_image)
        verdict = check.verdict(body.get("partial_execution_targets"))
        extra_data = _extra_data(body)
        if verdict.error:
            return _refusal(verdict.error, verdict.node_errors)
        self._prompts.put(Prompt(number, prompt_id, graph, extra_data, verdict.outputs))
        accepted = {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}
        return web.json_response(accepted)

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number, self._counter = self._counter, self._counter + 1
        is_front = isinstance(body, dict) and body.get("front")
        return -number if is_front else number

    async def queue(self, _request: web.Request) -> web.Response:
        """List the prompts that run and that wait."""
        running, pending = self._prompts.running, self._prompts.pending
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def change_queue(self, request: web.Request) -> web.Response:
        """Drop waiting prompts; ignore unknown and running prompts."""
        body = await request.json()
        if body.get("clear"):
            self._prompts.clear()
        for prompt_id in body.get("delete", []):
            self._prompts.delete(prompt_id)
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        """Interrupt the running prompt; with a `prompt_id` only if that prompt runs."""
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = {}
        wanted = body.get("prompt_id")
        if not wanted or any(prompt.id == wanted for prompt in self._prompts.running):
            self._machine.interrupt()
        return web.Response()

    async def history(self, request: web.Request) -> web.Response:
        """List the prompts that have ended."""
        limits = {name: int(request.query[name]) for name in request.query.keys() & PAGING}
        page = self._prompts.history(limits.get("max_items"), limits.get("offset"))
        return web.json_response(page)

    async def entry(self, request: web.Request) -> web.Response:
        """Answer with the history entry of one prompt; `{}` if it has not ended."""
        return web.json_response(self._prompts.entry(request.match_info["prompt_id"]))

    async def change_history(self, request: web.Request) -> web.Response:
        """Delete entries of the history."""
        body = await request.json()
        if body.get("clear"):
            self._prompts.clear_history()
        for prompt_id in body.get("delete", []):
            self._prompts.delete_entry(prompt_id)
        return web.Response()

    async def free(self, request: web.Request) -> web.Response:
        """Make the worker unload models, or clear its cache too, after the current prompt."""
        body = await request.json()
        for name in ("unload_models", "free_memory"):
            if body.get(name):
                self._prompts.flag(name)
        return web.Response()


PAGING = {"max_items", "offset"}


def _refusal(error: Problem, node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)


def _is_canonical(prompt_id: object) -> bool:
    try:
        return isinstance(prompt_id, str) and str(uuid.UUID(prompt_id)) == prompt_id
    except ValueError:
        return False


def _extra_data(body: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored with a prompt; null raises TypeError."""
    extra_data = body.get("extra_data", {})
    given = {"client_id": body["client_id"]} if "client_id" in body else {}
    kept = {name: value for name, value in {**extra_data, **given}.items() if name not in SECRETS}
    return {**kept, "create_time": int(time.time() * 1000)}
