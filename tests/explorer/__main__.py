"""Explores worlds, or replays one order: `make explore`."""

import argparse
import os
import sys
from functools import partial

from tests.explorer.choices import order_of, text_of
from tests.explorer.exploring import Result, explore, replay
from tests.explorer.side_by_side import each_in_a_copy
from tests.explorer.worlds import WORLDS

_WORKERS = 2


def main() -> int:
    """Explore all worlds, or those that are named; return how many have a violation."""
    parser = argparse.ArgumentParser(prog="make explore", description=__doc__)
    parser.add_argument("worlds", nargs="*", choices=[*WORLDS, []], metavar="world")
    parser.add_argument("--minutes", type=float, default=60, help="for all worlds together")
    parser.add_argument("--order", help="replay this order of one world")
    chosen = parser.parse_args()
    worlds = chosen.worlds or list(WORLDS)
    if chosen.order is not None:
        print("\n".join(replay(worlds[0], order_of(chosen.order))))
        return 0
    return _explore_all(worlds, chosen.minutes * 60)


def _explore_all(worlds: list[str], seconds: float) -> int:
    share = seconds * min(_WORKERS, len(worlds)) / len(worlds)
    violated = 0
    for result in each_in_a_copy(partial(explore, seconds=share), worlds, _WORKERS):
        print(result, flush=True)
        violated += bool(result.violation)
        _show(result)
    return violated


def _show(result: Result) -> None:
    """Print the violation, its shortest order, and how to replay that."""
    if result.violation is None:
        return
    order = result.violation.order
    print(*replay(result.world, order), sep="\n")
    print(f'\nReplay it: make explore WORLD={result.world} ORDER="{text_of(order)}"')


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # sets have the same order in every process
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.explorer", *sys.argv[1:]])
    sys.exit(main())
