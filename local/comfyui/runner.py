"""Runs prompts one after another, in its own thread."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from local.comfyui.announcer import Announcer, Send
from local.comfyui.cache import Cache
from local.comfyui.declarations import Declaration
from local.comfyui.execution import Execution
from local.comfyui.files import Folders
from local.comfyui.machine import Machine
from local.comfyui.prompts import Prompt, Prompts

log = logging.getLogger(__name__)


@dataclass
class Runner:
    """The worker, and the cache that it keeps between prompts."""

    prompts: Prompts
    folders: Folders
    machine: Machine
    classes: Callable[[], dict[str, Declaration]]
    send: Send
    has_metadata: bool = True
    client_id: object = None
    current_node: str | None = None
    _cache: Cache = field(default_factory=Cache)

    def start(self) -> None:
        """Start the worker's thread."""
        threading.Thread(target=self._work, name="comfyui-worker", daemon=True).start()

    def stop(self) -> None:
        """Take no more prompts, and interrupt the running one."""
        self.machine.stop()
        self.prompts.notify()

    def _work(self) -> None:
        try:
            while not self.machine.is_stopping:
                if taken := self.prompts.take(lambda: self.machine.is_stopping):
                    self._run(*taken)
                self._free(self.prompts.take_flags())
        except Exception:
            # In ComfyUI too, such an error ends the worker thread while HTTP keeps working.
            log.exception("The worker thread has died: no more prompts will run")

    def _run(self, key: int, prompt: Prompt) -> None:
        self.machine.ignore_interrupt()
        self.client_id = None
        if "client_id" in prompt.extra_data:
            self.client_id = prompt.extra_data["client_id"]
        announcer = Announcer(prompt.id, self.client_id, self.send)
        execution = Execution(
            prompt,
            announcer,
            self._cache,
            self.machine,
            self.folders,
            self.classes(),
            self._note_node,
            self.has_metadata,
        )
        began_at = time.perf_counter()
        result = execution.run()
        self.current_node = None
        self.prompts.finish(key, result)
        announcer.end()
        seconds = time.perf_counter() - began_at
        log.info("Prompt executed in %.2f seconds", seconds, extra={"color": "green"})

    def _note_node(self, node_id: str) -> None:
        self.current_node = node_id

    def _free(self, flags: set[str]) -> None:
        if flags:
            self.machine.unload()
        if "free_memory" in flags:
            self._cache = Cache()
