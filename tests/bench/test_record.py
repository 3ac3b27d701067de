"""The rows recorded in bench/simulation.json, and the verdict on them."""

import json

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from bench.simulation.__main__ import FLEETS, RECORD, SHOWN, rows, scaled
from bench.simulation.rows import Row
from bench.simulation.traces import PATTERNS, trace
from bench.simulation.verdict import verdict

RECORDED = json.loads(RECORD.read_text())
SEED = RECORDED["given"]["seed"]
ROW = Row("steady", "fixed 5", 100.0, 1, 1, 1, 1, 10.0, 1, 1, 1)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_recorded_rows_are_those_of_the_current_code(name: str) -> None:
    again = rows(name, trace(name, SEED), SHOWN).values()
    assert to_builtins(list(again)) == [each for each in RECORDED["rows"] if each["trace"] == name]


def test_the_recorded_rows_of_larger_fleets_are_those_of_the_current_code() -> None:
    jobs = trace("bursty", SEED)
    assert to_builtins([scaled(jobs, each) for each in FLEETS]) == RECORDED["scaling"]


def learned(dollars: float, wait_mean: float) -> Row:
    return replace(ROW, policy="learned 300", dollars=dollars, wait_mean=wait_mean)


@pytest.mark.parametrize(
    ("dollars", "wait_mean", "wins"),
    [(90, 10, True), (99.5, 10, False), (110, 10, False), (110, 9, True), (50, 11, True)],
)
def test_the_learned_timeout_is_not_compared_with_a_fixed_one_that_has_longer_waits(
    dollars: float, wait_mean: float, *, wins: bool
) -> None:
    judged = verdict("steady", [learned(dollars, wait_mean)], [[ROW]])
    assert judged.learned_wins is wins
    assert judged.rival == (None if wait_mean < 10 else "fixed 5")


def test_the_learned_timeout_is_compared_with_the_cheapest_fixed_one_without_longer_waits() -> None:
    cheap = replace(ROW, policy="fixed 1", dollars=10.0, wait_mean=80.0)
    dear = replace(ROW, policy="fixed 60", dollars=200.0, wait_mean=0.0)
    assert verdict("steady", [learned(90, 20)], [[cheap], [ROW], [dear]]).rival == "fixed 5"
