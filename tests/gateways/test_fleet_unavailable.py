"""When no instance can ever serve: what a check and an operator's start do."""

from collections.abc import Callable

import pytest

from chalicelib.errors import ComfyUIUnavailable, StartFailed, StillStopping
from chalicelib.services.gpus.fleet import Fleet
from tests.gateways.region import Region, fleet_of

pytestmark = pytest.mark.usefixtures("aws")

USES: dict[str, Callable[[Fleet], object]] = {
    "check": lambda fleet: fleet.inventory.check(),
    "start": lambda fleet: fleet.start(None),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_without_an_instance_comfyui_is_unavailable_and_the_log_says_why(
    use: Callable[[Fleet], object], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ComfyUIUnavailable, match="no GPU instance") as refusal:
        use(fleet_of(Region()))
    assert "Try again later" in refusal.value.suggestion
    assert "no EC2 instance has the tag" in caplog.text


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_fixed_address_that_is_off_is_unavailable_and_the_log_says_why(
    use: Callable[[Fleet], object], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ComfyUIUnavailable, match="does not answer") as refusal:
        use(fleet_of(Region("running", can_be_started=False)))
    assert "Try again later" in refusal.value.suggestion
    assert "no ComfyUI answers at COMFYUI_URL" in caplog.text


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_fixed_address_that_answers_is_used(use: Callable[[Fleet], object]) -> None:
    region = Region("running", can_be_started=False)
    region.queues["i-0"] = 0
    use(fleet_of(region))
    assert region.started == []


def test_a_start_is_refused_while_the_instance_is_still_stopping() -> None:
    region = Region("stopping")
    with pytest.raises(StillStopping) as refusal:
        fleet_of(region).start(None)
    assert refusal.value.suggestion == "Try again in a minute"
    region.states["i-0"] = "stopped"
    region.now += 5
    fleet_of(region).start(None)
    assert region.states["i-0"] == "pending"


@pytest.mark.parametrize("state", ["stopped", "stopping", "pending", "running"])
def test_a_check_passes_and_starts_nothing_while_an_instance_may_serve(state: str) -> None:
    region = Region(state)
    fleet_of(region).inventory.check()
    assert region.started == []


@pytest.mark.parametrize(
    ("states", "started"),
    [
        (("stopped",), ["i-0"]),
        (("stopping", "stopped"), ["i-1"]),
        (("pending",), []),
        (("running",), []),
        (("stopped", "running"), []),
    ],
)
def test_a_start_starts_an_instance_only_if_none_is_on(
    states: tuple[str, ...], started: list[str]
) -> None:
    region = Region(*states)
    fleet_of(region).start(None)
    assert region.started == started


def test_a_start_reads_the_current_state() -> None:
    region = Region("running")
    fleet = fleet_of(region)
    fleet.inventory.check()
    region.states["i-0"] = "stopped"
    region.now += 1
    fleet.start(None)
    assert region.started == ["i-0"]


def test_a_start_that_ec2_refuses_fails() -> None:
    region = Region("stopped")
    region.refusal = StartFailed("EC2 has no GPU capacity")
    with pytest.raises(StartFailed):
        fleet_of(region).start(None)
