"""The execution of one prompt, from its first node to its entry in the history."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.comfyui.announcer import Announcer
from local.comfyui.cache import Cache, is_link, mark_input_images
from local.comfyui.declarations import Declaration
from local.comfyui.files import Folders
from local.comfyui.machine import Interrupted, Machine
from local.comfyui.nodes import NODES, Task
from local.comfyui.problems import exception_info
from local.comfyui.prompts import Prompt
from local.comfyui.schedule import Schedule

log = logging.getLogger(__name__)


@dataclass
class Execution:
    """One execution of one prompt."""

    prompt: Prompt
    announcer: Announcer
    cache: Cache
    machine: Machine
    folders: Folders
    classes: dict[str, Declaration]
    on_node: Callable[[str], None]
    has_metadata: bool
    executed: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)  # what its nodes presented

    def run(self) -> dict[str, Any]:
        """Run until success, failure or interrupt; return the entry for the history."""
        self.announcer.status("execution_start")
        graph = self.prompt.graph
        mark_input_images(graph, self.folders)
        self.announcer.status("execution_cached", nodes=self.cache.turn_to(graph))
        is_success = self._run_nodes(Schedule(graph, self.prompt.outputs, self.cache.has))
        if is_success:
            self.announcer.status("execution_success")
        return self._result(is_success=is_success)

    def _run_nodes(self, schedule: Schedule) -> bool:
        while schedule:
            node_id = schedule.next()
            if self.cache.has(node_id):
                self._present_again(node_id)
            elif not self._attempt(node_id):
                return False
            self.announcer.node_finished(node_id)
            schedule.done(node_id)
        return True

    def _present_again(self, node_id: str) -> None:
        output = self.cache.output(node_id)
        if output is not None:
            self.outputs[node_id] = output
        self.announcer.node_presented(node_id, output)

    def _attempt(self, node_id: str) -> bool:
        inputs: dict[str, Any] = {}
        try:
            self.announcer.node_started(node_id)
            self.on_node(node_id)
            inputs |= self._inputs(node_id)
            self.machine.heed_interrupt()
            self._make(node_id, inputs)
        except Interrupted:
            about = self._about(node_id)
            self.announcer.status("execution_interrupted", is_for_everyone=True, **about)
            return False
        except Exception as error:
            log.exception("Node %s failed", node_id)
            details = _described(error, inputs) | {"current_outputs": list(self.prompt.graph)}
            self.announcer.status("execution_error", **self._about(node_id), **details)
            return False
        self.executed.append(node_id)
        return True

    def _make(self, node_id: str, inputs: dict[str, Any]) -> None:
        task = Task(
            inputs=inputs,
            graph=self.prompt.graph,
            extra_data=self.prompt.extra_data,
            folders=self.folders,
            has_metadata=self.has_metadata,
            load=self.machine.load,
            use=self.machine.use,
            take_step=partial(self._take_step, node_id),
        )
        result = NODES[self.prompt.graph[node_id]["class_type"]](task)
        if result.images:
            output = {"images": result.images}
            self.cache.show(node_id, output)
            self.outputs[node_id] = output
            self.announcer.node_presented(node_id, output)
        self.cache.store(node_id, result.values)

    def _inputs(self, node_id: str) -> dict[str, Any]:
        node = self.prompt.graph[node_id]
        declared = self.classes[node["class_type"]].required
        return {
            name: self.cache.value(*value) if is_link(value) else value
            for name, value in node["inputs"].items()
            if name in declared
        }

    def _take_step(self, node_id: str, step: int, steps: int) -> None:
        self.machine.take_step()
        self.announcer.step(node_id, step, steps)

    def _about(self, node_id: str) -> dict[str, Any]:
        node_type = self.prompt.graph[node_id]["class_type"]
        return {"node_id": node_id, "node_type": node_type, "executed": self.executed}

    def _result(self, *, is_success: bool) -> dict[str, Any]:
        status = {
            "status_str": "success" if is_success else "error",
            "completed": is_success,
            "messages": self.announcer.history,
        }
        meta = {node_id: _identity(node_id) for node_id in self.outputs}
        return {"outputs": self.outputs, "status": status, "meta": meta}


def _identity(node_id: str) -> dict[str, str | None]:
    return {
        "node_id": node_id,
        "display_node": node_id,
        "parent_node": None,
        "real_node_id": node_id,
    }


def _described(error: Exception, inputs: dict[str, Any]) -> dict[str, Any]:
    plain = (int, float, str, bool)
    return {
        "exception_message": f"{error}\n",
        **exception_info(error),
        "current_inputs": {
            name: [value if isinstance(value, plain) else str(value)]
            for name, value in inputs.items()
        },
    }
