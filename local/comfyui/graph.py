"""Validates graphs, and refuses them with ComfyUI's own errors."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from local.comfyui.declarations import Declaration, Input
from local.comfyui.literals import check_limits, convert
from local.comfyui.problems import Problem, exception_info, missing_node, problem

log = logging.getLogger(__name__)

Graph = dict[str, dict[str, Any]]
Result = tuple[bool, list[Problem]]


@dataclass(frozen=True)
class Verdict:
    """The output nodes that may run, or the error if none may."""

    outputs: list[str] = field(default_factory=list)
    error: Problem | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)


@dataclass
class Validation:
    """The validation of one graph; literals are converted in place."""

    graph: Graph
    classes: dict[str, Declaration]
    input_image_exists: Callable[[str], bool]
    results: dict[str, Result] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)  # from an output node to the node being checked

    def verdict(self, targets: Collection[str] | None) -> Verdict:
        """Check all nodes that the output nodes, or those among the targets, depend on."""
        outputs = []
        for node_id, node in self.graph.items():
            if node.get("class_type") not in self.classes:
                return Verdict(error=missing_node(node_id, node))
            if self._class(node_id).is_output and (targets is None or node_id in targets):
                outputs.append(node_id)
        if not outputs:
            return Verdict(error=problem("prompt_no_outputs", ""))
        return self._judge(outputs)

    def _judge(self, outputs: list[str]) -> Verdict:
        good: list[str] = []
        reasons: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in outputs:
            is_valid, problems = self._check_output(output)
            if is_valid:
                good.append(output)
                continue
            reasons += [f"{each['message']}: {each['details']}" for each in problems]
            self._blame(output, node_errors)
        if good:
            return Verdict(good, None, node_errors)
        details = "\n".join(reasons)
        return Verdict([], problem("prompt_outputs_failed_validation", details), node_errors)

    def _blame(self, output: str, node_errors: dict[str, Any]) -> None:
        # ComfyUI blames all nodes found faulty so far, whether this output depends on them or not.
        for node_id, (_, problems) in self.results.items():
            if problems:
                blank = {
                    "errors": problems,
                    "dependent_outputs": [],
                    "class_type": self.graph[node_id]["class_type"],
                }
                node_errors.setdefault(node_id, blank)["dependent_outputs"].append(output)

    def _check_output(self, output: str) -> Result:
        try:
            return self._check(output)
        except Exception as error:
            log.exception("Output node %s could not be validated", output)
            found = problem("exception_during_validation", str(error), **exception_info(error))
            self.results[output] = False, [found]
            return self.results[output]

    def _check(self, node_id: str) -> Result:
        if node_id in self.path and node_id not in self.results:
            self._note_cycle([*self.path[self.path.index(node_id) :], node_id])
        if node_id not in self.results:
            self.path.append(node_id)
            try:
                is_valid, problems = self._check_inputs(node_id)
            finally:
                self.path.pop()
            # Meanwhile the node may have been found in a cycle.
            was_valid, known = self.results.get(node_id, (True, []))
            new = [each for each in problems if each not in known]
            self.results[node_id] = was_valid and is_valid, known + new
        return self.results[node_id]

    def _check_inputs(self, node_id: str) -> Result:
        inputs = self.graph[node_id]["inputs"]
        checked = [
            self._check_input(node_id, inputs, name, declared)
            for name, declared in self._class(node_id).required.items()
        ]
        return all(is_valid for is_valid, _ in checked), [
            each for _, found in checked for each in found
        ]

    def _note_cycle(self, path: list[str]) -> None:
        details = " -> ".join(f"{each} ({self.graph[each]['class_type']})" for each in path)
        nodes = list(dict.fromkeys(path))
        for each in nodes:
            about = {"node_id": each, "cycle_nodes": nodes}
            self.results[each] = False, [problem("dependency_cycle", details, **about)]

    def _check_input(
        self, node_id: str, inputs: dict[str, Any], name: str, declared: Input
    ) -> Result:
        if name not in inputs:
            return False, [problem("required_input_missing", name, input_name=name)]
        if isinstance(inputs[name], list):
            return self._check_link(name, declared, inputs[name])
        found = self._check_literal(node_id, inputs, name, declared)
        return not found, found

    def _check_link(self, name: str, declared: Input, linked: list[Any]) -> Result:
        about: dict[str, object] = {"input_name": name, "input_config": declared}
        if len(linked) != 2:
            return False, [problem("bad_linked_input", name, **about, received_value=linked)]
        source, slot = linked
        received, wanted = self._class(source).returns[slot], declared[0]
        if received != wanted:
            details = f"{name}, received_type({received}) mismatch input_type({wanted})"
            about |= {"received_type": received, "linked_node": linked}
            return False, [problem("return_type_mismatch", details, **about)]
        try:
            return self._check(source)[0], []
        except Exception as error:
            log.exception("Node %s could not be validated", source)
            about |= {
                "exception_message": str(error),
                **exception_info(error),
                "linked_node": linked,
            }
            found = problem("exception_during_inner_validation", str(error), **about)
            self.results[source] = False, [found]
            return False, []

    def _check_literal(
        self, node_id: str, inputs: dict[str, Any], name: str, declared: Input
    ) -> list[Problem]:
        if found := convert(inputs, name, declared):
            return found
        if self.graph[node_id]["class_type"] != "LoadImage":
            return check_limits(inputs, name, declared)
        if self.input_image_exists(inputs[name]):
            return []
        details = f"{name} - Invalid image file: {inputs[name]}"
        return [problem("custom_validation_failed", details, input_name=name)]

    def _class(self, node_id: str) -> Declaration:
        return self.classes[self.graph[node_id]["class_type"]]
