"""Follows attempts through the gateway, and records what it reports."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import requests

from chalicelib.gateways.comfyui.client import ComfyUI, Graph
from chalicelib.gateways.comfyui.state import Finished, ImageFile, State, Waiting
from tests.gateways.faulty import IMAGE, Script, serving

SAVED = [ImageFile(**IMAGE)]  # the images of every script

LONG_SECONDS = 30  # a deadline that no test reaches
SOON_SECONDS = 5  # long before that, on a busy machine too


def connect(url: str, clock: Callable[[], float] = time.time) -> ComfyUI:
    http = requests.Session()
    http.trust_env = False
    return ComfyUI(url, http, clock)


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that advances by `seconds` at each reading."""
    return itertools.count(0, seconds).__next__


@dataclass
class Followed:
    """How an attempt ended, how long it was followed, and what was reported meanwhile."""

    state: State = None
    seconds: float = 0
    reports: list[Any] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)

    def heard(self, progress: Any) -> None:
        self.reports.append(progress)

    def seen(self, state: Waiting, *, is_listening: bool) -> None:
        self.positions.append(state.position)

    @property
    def images(self) -> list[ImageFile]:
        assert isinstance(self.state, Finished), self.state
        assert self.state.failure is None, self.state.failure
        return [file for files in self.state.images.values() for file in files]

    @property
    def is_soon(self) -> bool:
        return self.seconds < SOON_SECONDS


def outputs_of(graph: Graph) -> list[str]:
    """Return the ids of the nodes that save images."""
    return [node_id for node_id, node in graph.items() if node["class_type"] == "SaveImage"]


def run(gateway: ComfyUI, graph: Graph, attempt_id: str | None = None) -> Followed:
    """Submit a graph and follow it to its end."""
    attempt_id = attempt_id or str(uuid4())
    followed = Followed()
    with gateway.events(attempt_id) as events:
        gateway.submit(attempt_id, graph, outputs_of(graph))
        until = time.time() + LONG_SECONDS
        followed.state = gateway.follow(attempt_id, events, until=until, report=followed)
    return followed


def follow(
    script: Script, until: float | None = None, clock: Callable[[], float] = time.time
) -> Followed:
    """Follow the attempt of a script."""
    with serving(script) as url:
        return follow_at(url, script.attempt_id, until, clock)


def follow_at(
    url: str, attempt_id: str, until: float | None = None, clock: Callable[[], float] = time.time
) -> Followed:
    """Follow an attempt that was submitted before."""
    followed, began_at = Followed(), time.monotonic()
    gateway = connect(url, clock)
    with gateway.events(attempt_id) as events:
        followed.state = gateway.follow(
            attempt_id,
            events,
            until=time.time() + LONG_SECONDS if until is None else until,
            report=followed,
        )
    followed.seconds = time.monotonic() - began_at
    return followed
