"""Defects that are planted, and the world in which the explorer finds each."""

from __future__ import annotations

import json
import sys
import time
from typing import NamedTuple

from tests.explorer.building import run_of
from tests.explorer.choices import Bounds
from tests.explorer.conditions import Clause, site, without
from tests.explorer.planted_jobs import JOBS
from tests.explorer.planted_runs import RUNS
from tests.explorer.run import Run
from tests.explorer.search import Found, Limits, Search
from tests.explorer.seen import Seen
from tests.explorer.side_by_side import each_in_a_copy
from tests.explorer.worlds import WORLDS

_SECONDS = 60  # for one defect; most take less than one


class Planted(NamedTuple):
    """A defect: a clause that a condition of a write lacks, or a write that is not made.

    Choices are made at the writes of the function alone, `choices` of them.
    """

    world: str
    choices: int
    function: str
    table: str = ""
    clause: str = ""

    @property
    def name(self) -> str:
        what = f"without {self.clause}" if self.clause else "forgotten"
        return f"{self.function} {what}"

    def plant(self, run: Run) -> None:
        """Put the defect into a run."""
        if self.clause:
            clause = Clause(self.function, self.table, self.clause)
            run.wire.alter = lambda parameters: (
                without(parameters, clause) if site() == self.function else parameters
            )
        else:
            run.wire.forgets = self.function


PLANTED = [Planted(*each) for each in (*JOBS, *RUNS)]


def find(planted: Planted, seconds: float = _SECONDS) -> Found:
    """Explore the orders around the planted defect until one ends in a violation."""
    until = time.monotonic() + seconds
    with run_of(WORLDS[planted.world]) as run:
        planted.plant(run)
        run.focus = lambda call: call.site == planted.function
        search = Search(run, Seen(), Limits(until))
        for choices in range(planted.choices + 1):
            found = search.within(Bounds(choices))
            if found.violation or found.left_out:
                break
    return found


def main() -> None:
    """Print what was found of each defect, as JSON by its name."""
    results = each_in_a_copy(find, PLANTED, 2)
    told = {
        each.name: found.violation and found.violation.message
        for each, found in zip(PLANTED, results, strict=True)
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
