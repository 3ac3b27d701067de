"""Schemathesis finds no difference between the document and a deployment."""

import os
import sys
from pathlib import Path

import pytest

from openapi.document import document
from tests.e2e.conftest import Stack
from tests.openapi.deployed.fuzzing import PHASES, fuzz, prepare

# `make contract` sets more examples, and another seed each time.
EXAMPLES = int(os.environ.get("EXAMPLES", "4"))
SEED = int(os.environ.get("SEED", "1"))
# The coverage phase has cases of its own, whatever the number of examples is.
LEAST_CASES = 2800 + 40 * EXAMPLES

# How many chains of requests a run tries at most. It ends after about 50: there are several runs.
CHAINS, RUNS = 200, 2 + EXAMPLES // 5

OPERATIONS = {
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods.keys() - {"parameters"}
}


def test_all_phases_and_checks_find_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(stack, tmp_path, EXAMPLES=EXAMPLES, SCENARIOS=CHAINS)
    report, output = fuzz(stack, tmp_path, seed=SEED)
    cases = report["test_cases"]["generated"]
    with capsys.disabled():
        sys.stdout.write(f"\n{cases} cases in {report['running_time']:.0f} s, seed {SEED}\n")
    assert report["exit_code"] == 0, output
    assert not any(report["warnings"].values()), output
    results = {name.lower(): each["status"] for name, each in report["phases"].items()}
    assert results == dict.fromkeys(PHASES, "success"), output
    accepted = {
        label: sum(each["accepted"] for each in phases.values())
        for label, phases in report["valid_rates"].items()
    }
    assert accepted.keys() == OPERATIONS
    assert all(accepted.values()), "only refusals show nothing"
    assert cases >= LEAST_CASES


def test_chains_of_requests_find_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(stack, tmp_path, EXAMPLES=EXAMPLES, SCENARIOS=CHAINS)
    cases = 0
    for seed in range(SEED, SEED + RUNS):
        report, output = fuzz(stack, tmp_path, seed=seed, phases=("stateful",), user="admin")
        assert report["exit_code"] == 0, output
        cases += report["test_cases"]["generated"]
    with capsys.disabled():
        sys.stdout.write(f"\n{cases} cases of chains in {RUNS} runs, seeds from {SEED}\n")
    assert cases >= 80 * RUNS
