"""The order in which nodes run."""

from collections.abc import Callable

from local.comfyui.cache import is_link
from local.comfyui.graph import Graph

HOPS_THAT_MATTER = 2


class Schedule:
    """The nodes still to run: those that the outputs need and that are not cached."""

    def __init__(self, graph: Graph, outputs: list[str], is_cached: Callable[[str], bool]) -> None:
        self._graph = graph
        self._is_cached = is_cached
        self._outputs = set(outputs)
        self._blockers: dict[str, set[str]] = {}
        for output in outputs:
            self._add(output)

    def _add(self, node_id: str) -> None:
        waiting = [node_id]
        while waiting:
            current = waiting.pop()
            if current not in self._blockers:
                sources = [
                    value[0]
                    for value in self._graph[current]["inputs"].values()
                    if is_link(value) and not self._is_cached(value[0])
                ]
                self._blockers[current] = set(sources)
                waiting += sources

    def __bool__(self) -> bool:
        return bool(self._blockers)

    def next(self) -> str:
        """Return the ready node that is closest to an output, as ComfyUI does."""
        ready = [node_id for node_id, blockers in self._blockers.items() if not blockers]
        return min(ready, key=self._hops_to_output)

    def done(self, node_id: str) -> None:
        """Remove a node, which may make others ready."""
        del self._blockers[node_id]
        for blockers in self._blockers.values():
            blockers.discard(node_id)

    def _hops_to_output(self, node_id: str) -> int:
        near = {node_id}
        for hops in range(HOPS_THAT_MATTER + 1):
            if near & self._outputs:
                return hops
            near = {each for each, blockers in self._blockers.items() if blockers & near}
        return HOPS_THAT_MATTER + 1
