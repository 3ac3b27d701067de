"""How often EC2 is asked where the instances are that serve."""

from collections.abc import Callable

import pytest

from chalicelib.models.fleet.instance import InstanceRecord
from tests.services.fakes import Parts


@pytest.fixture
def asked(parts: Parts) -> Callable[[], int]:
    """How often EC2 was asked since the last call."""
    calls, instances = list[None](), parts.ec2.instances

    def counted() -> object:
        calls.append(None)
        return instances()

    parts.ec2.instances = counted

    def take() -> int:
        count = len(calls)
        calls.clear()
        return count

    return take


def test_callers_that_wait_ask_ec2_once_in_a_minute(parts: Parts, asked: Callable[[], int]) -> None:
    [job] = parts.submit(wait_seconds=25)
    assert (job.status, asked() > 0) == ("succeeded", True)
    for _ in range(5):
        parts.clock.advance(11)
        [job] = parts.submit(wait_seconds=25)
        assert job.status == "succeeded"
    assert asked() == 0
    parts.clock.advance(11)
    parts.submit(wait_seconds=25)
    assert asked() > 0


def test_an_instance_that_has_just_become_ready_serves_at_once(parts: Parts) -> None:
    parts.ec2.turn_off()
    assert parts.inventory.serving() == []
    parts.clock.advance(11)
    parts.ec2.gone.clear()
    InstanceRecord("i-1").became_ready(now=parts.clock())
    assert [each.instance.id for each in parts.inventory.serving()] == ["i-1"]
