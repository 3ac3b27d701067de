"""Measured processes: what is counted, and the share of one CPU that a process is held to."""

from pathlib import Path

import pytest

from bench.functions.process import Calls, measure

BUSY = """
import time
def entry(event, context):
    began = time.process_time()
    while time.process_time() - began < event["seconds"]:
        pass
    return {"statusCode": 200, "headers": {"Location": "a"}, "body": "x" * 100_000}
"""


def test_the_time_of_init_and_of_each_call_is_measured_with_that_of_the_cpu(tmp_path: Path) -> None:
    measured = measure(tmp_path, Calls(BUSY, [({"seconds": 0.05}, 100)] * 2), {})
    assert len(measured.calls) == 2
    for clock, cpu in measured.calls:
        assert clock >= cpu >= 50
    assert measured.whole[0] >= measured.init[0] + sum(clock for clock, _ in measured.calls)
    assert measured.whole[1] >= 100
    assert [tuple(each) for each in measured.answers] == [(200, "a")] * 2


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_process_gets_no_more_than_its_share_of_a_cpu(tmp_path: Path, share: float) -> None:
    measured = measure(tmp_path, Calls(BUSY, [({"seconds": 0.3}, 1000)]), {}, share=share)
    [(clock, cpu)] = measured.calls
    assert cpu / clock <= share * 1.15  # of a call of some periods the first one may be whole


def test_a_process_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="failed"):
        measure(tmp_path, Calls("import nowhere"), {})
