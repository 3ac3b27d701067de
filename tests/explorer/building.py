"""Building a world in this process: its tables, its connection, and the limits that it has."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import force_setattr

from chalicelib.config import config
from chalicelib.gateways.comfyui import client as comfyui
from chalicelib.models import table
from chalicelib.services.gpus import follower
from tests.environment import create_tables
from tests.explorer.identities import Identities
from tests.explorer.run import Run
from tests.explorer.wire import ExploredWire
from tests.explorer.world import Explored
from tests.faults.scheduler import sleep
from tests.virtual import endpoint

_LIMITS = {"slots_per_gpu": 1, "idle_stop_seconds": 60}


@contextmanager
def run_of(kind: type[Explored]) -> Iterator[Run]:
    """Return a run of a world at its beginning."""
    for name, value in {**_LIMITS, **kind.limits}.items():
        force_setattr(config, name, value)
    follower._TICK_SECONDS = 5.0  # fewer steps
    comfyui.sleep = table.sleep = sleep  # type: ignore[attr-defined]
    logging.disable(logging.CRITICAL)
    world = kind()
    world.scheduler.keeps_history = True
    Identities(world.scheduler).install()
    wire = ExploredWire(world.scheduler)
    with endpoint.answering(wire.memory):
        create_tables()
        with wire:
            checks = world.checks(wire)
            world.set_up()
            yield Run(world, wire, checks)
