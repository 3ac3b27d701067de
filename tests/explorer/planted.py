"""Defects that are planted, and the world in which the explorer finds each."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.explorer import planted_jobs, planted_runs, planted_stops
from tests.explorer.building import run_of
from tests.explorer.choices import Bounds
from tests.explorer.conditions import Clause, site, without
from tests.explorer.run import Run
from tests.explorer.search import Found, Limits, Search
from tests.explorer.seen import Seen
from tests.explorer.worlds import WORLDS
from tests.faults.aws import Queue
from tests.faults.scheduler import Process

FORGOTTEN, EARLY = "forgotten", "early"
_SECONDS = 60  # for one defect; most take less than one


class Planted(NamedTuple):
    """A defect: a clause that a condition of a write lacks, or a write that is not made.

    Choices are made at the writes of the function alone, `choices` of them. Instead of a function,
    there can be a message that is forgotten or sent too early.
    """

    world: str
    choices: int
    function: str
    table: str = ""
    clause: str = ""
    beside: str = ""  # another function, or a call, at which choices are made

    @property
    def name(self) -> str:
        what = f"without {self.clause}" if self.table else self.clause or FORGOTTEN
        return f"{self.function} {what}"

    def is_near(self, process: Process) -> bool:
        """Return whether choices are made at the next call of a process."""
        site = process.call.site
        if site == self.function:
            return True
        return bool(self.beside) and (site == self.beside or process.at.startswith(self.beside))

    def plant(self, run: Run) -> None:
        """Put the defect into a run."""
        if self.table:
            clause = Clause(self.function, self.table, self.clause)
            run.wire.alter = lambda parameters: (
                without(parameters, clause) if site() == self.function else parameters
            )
        elif self.clause:
            spoil(run.world.queue, self.function, self.clause)
        else:
            run.wire.forgets = self.function


def spoil(queue: Queue, body: str, how: str) -> None:
    """Have a queue forget the messages with a body, or send them at once."""
    send = queue.send

    def spoiled(sent: str, *, delay_seconds: int = 0) -> None:
        if sent != body:
            send(sent, delay_seconds=delay_seconds)
        elif how == EARLY:
            send(sent)

    queue.send = spoiled  # type: ignore[method-assign]


UNNOTICED = {**planted_jobs.UNNOTICED, **planted_runs.UNNOTICED}
_PLANTED = (*planted_jobs.JOBS, *planted_stops.STOPS, *planted_runs.RUNS)
PLANTED = [Planted(*each) for each in _PLANTED]

# Functions that write on a condition, of which no clause is planted: what each is for, and where
# its tests are.
ELSEWHERE = {
    "api_key.ApiKey.admit": "the requests of a minute: tests/models",
    "api_key.ApiKey.change": "a key that is changed when it is revoked: tests/models",
    "api_key.ApiKey.revoke": "a key that is revoked twice: tests/models",
    "boots.failed": "a failed boot counts once: tests/services/gpus",
    "boots.mark_logged": "a failed boot is logged once: tests/services/gpus",
    "boots.note_report": "a boot is reported once: tests/services/gpus",
    "boots.taken_back": "a start that EC2 takes back counts once: tests/services/gpus",
    "catalog.begin_with": "the first items of a catalog are stored once: tests/api",
    "gpu_starts.GpuStartLimit.give_back": "a start without a job that failed: tests/services/gpus",
    "gpu_starts.GpuStartLimit.take": "one start without a job in an hour: tests/services/gpus",
    "instance.InstanceRecord.forget": "the record of a terminated instance: tests/services/gpus",
    "instance.InstanceRecord.mark_healthy": "a mark of another attempt stays: tests/services/gpus",
    "item.Catalog.replace": "an item that was deleted: tests/api",
    "open_chains.OpenChains.close": "the waits of a key, which change no job: tests/models/keys",
    "open_chains.OpenChains.leave": "the waits of a key, which change no job: tests/models/keys",
    "run.Run.claim": "part of acceptance.accept, which is planted",
    "schedule.Schedule.claim_number": "part of acceptance.accept, which is planted",
    "start_series.StartSeries.take_back": "a start that EC2 takes back: tests/services/gpus",
    "stops.claim_force": "a stop with force every three minutes: tests/services/gpus",
    "table.Table.create": "what all writes of new items use",
    "table.Table.update_if": "what all other writes use",
}


def find(planted: Planted, seconds: float = _SECONDS) -> Found:
    """Explore the orders around the planted defect until one ends in a violation."""
    until = time.monotonic() + seconds
    with run_of(WORLDS[planted.world]) as run:
        planted.plant(run)
        run.focus = planted.is_near
        search = Search(run, Seen(), Limits(until))
        for choices in range(planted.choices + 1):
            found = search.within(Bounds(choices))
            if found.violation or found.left_out:
                break
    return found
