"""The stand-in server: its parts, its start and its end."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from local.comfyui.catalog import Catalog
from local.comfyui.file_routes import FileRoutes
from local.comfyui.files import Folders
from local.comfyui.machine import Machine, Pace
from local.comfyui.origin import same_origin_only
from local.comfyui.prompt_routes import PromptRoutes
from local.comfyui.prompts import Prompts
from local.comfyui.runner import Runner
from local.comfyui.sockets import MAX_BODY_BYTES, Sockets

log = logging.getLogger(__name__)

DEFAULT_CHECKPOINT = "v1-5-pruned-emaonly.safetensors"


@dataclass(frozen=True)
class Options:
    """The settings of a server."""

    base_directory: Path
    checkpoints: tuple[str, ...] = (DEFAULT_CHECKPOINT,)
    pace: Pace = field(default_factory=Pace)
    has_metadata: bool = True  # whether images contain the graph that made them


class Server:
    """A stand-in server; like ComfyUI, it keeps only files when it ends."""

    def __init__(self, options: Options) -> None:
        self._folders = Folders(options.base_directory.resolve())
        self._sockets = Sockets()
        self._prompts = Prompts(on_change=self._announce_queue)
        catalog = Catalog(self._folders, options.checkpoints)
        machine = Machine(options.pace)
        self._runner = Runner(
            self._prompts,
            self._folders,
            machine,
            catalog.classes,
            self._sockets.post,
            options.has_metadata,
        )
        self._prompt_routes = PromptRoutes(self._prompts, machine, catalog)
        self._routes = [
            *self._prompt_routes.routes(),
            *catalog.routes(),
            *FileRoutes(self._folders).routes(),
            web.get("/ws", self._connect),
        ]

    async def serve(self, host: str, port: int, on_ready: Callable[[str], None]) -> None:
        """Serve until canceled, or until a message cannot be delivered."""
        self._folders.prepare()
        web_runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.01)
        await web_runner.setup()
        log.info("Starting server\n")
        try:
            await web.TCPSite(web_runner, host, port).start()
            self._runner.start()
            url = "http://{}:{}".format(*web_runner.addresses[0][:2])
            log.info("To see the GUI go to: %s", url)
            on_ready(url)
            await self._sockets.publish()
        finally:
            self._runner.stop()
            await web_runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[same_origin_only])
        app.add_routes(self._routes)
        app.add_routes(
            [web.route(each.method, f"/api{each.path}", each.handler) for each in self._routes]
        )
        # In ComfyUI the static frontend is here: a GET of a path without GET is a 404, not a 405.
        app.router.add_get("/{path:.*}", _nothing_here)
        return app

    def _announce_queue(self) -> None:
        self._sockets.post("status", {"status": self._prompt_routes.exec_info()})

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        return await self._sockets.serve(request, self._greetings)

    def _greetings(self, client_id: str) -> list[tuple[str, dict[str, Any]]]:
        status = {"status": self._prompt_routes.exec_info(), "sid": client_id}
        greetings: list[tuple[str, dict[str, Any]]] = [("status", status)]
        if self._runner.client_id == client_id and self._runner.current_node is not None:
            greetings.append(("executing", {"node": self._runner.current_node}))
        return greetings


async def _nothing_here(_request: web.Request) -> web.Response:
    return web.Response(status=404, content_type="application/octet-stream")
