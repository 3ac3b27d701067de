"""The gate's slice: the same few orders of each world every time, and all planted defects."""

import json
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from zlib import crc32

from tests.explorer.building import run_of
from tests.explorer.choices import Bounds, Choice, text_of
from tests.explorer.conditions import Clause, clauses, site
from tests.explorer.planted import PLANTED, find
from tests.explorer.run import Run
from tests.explorer.search import Limits, Search
from tests.explorer.seen import Seen
from tests.explorer.side_by_side import each_in_a_copy
from tests.explorer.worlds import WORLDS

_SEED = 1
_SECOND_SHARE = 16  # a second choice is tried so much more seldom than a first one
_WORKERS = 2

Told = dict[str, Any]


def main() -> None:
    """Print as JSON what was found."""
    planted = each_in_a_copy(found, range(len(PLANTED)), _WORKERS)
    worlds = each_in_a_copy(slice_of, list(WORLDS), _WORKERS)
    told = {
        "planted": dict(zip((each.name for each in PLANTED), planted, strict=True)),
        "worlds": dict(zip(WORLDS, worlds, strict=True)),
    }
    json.dump(told, sys.stdout)


def found(index: int) -> str | None:
    """Return the violation that a planted defect leads to; None if none was found."""
    violation = find(PLANTED[index]).violation
    return violation and violation.message


def slice_of(world: str) -> Told:
    """Try some orders of a world; return how many, their violation, and all clauses that it met."""
    with run_of(WORLDS[world]) as run, NamedTemporaryFile("r") as met:
        _note_clauses(run, met.name)
        found = Search(run, Seen(), Limits(is_wanted=_is_wanted)).within(Bounds(2))
        violation = found.violation
        return {
            "orders": found.orders,
            "violation": violation and [text_of(violation.order), violation.message],
            "clauses": sorted(set(met.read().splitlines())),
        }


def _is_wanted(choice: Choice, run: Run) -> bool:
    name = f"{_SEED} {type(run.world).__name__} {text_of(run.order)} {run.step} {choice.what}"
    share = run.world.slice_share * _SECOND_SHARE ** len(run.order)
    return crc32(name.encode()) % share == 0


def _note_clauses(run: Run, path: str) -> None:
    """Have all copies of a run write the clauses of its conditions to a file."""
    known = set[Clause]()

    def note(parameters: dict[str, Any]) -> dict[str, Any]:
        for each in clauses(parameters, site()):
            if each not in known:
                known.add(each)
                with Path(path).open("a") as met:
                    met.write(f"{each.function} without {each.text}\n")
        return parameters

    run.wire.alter = note


if __name__ == "__main__":
    main()
