"""What EC2's errors and reasons of states mean: no capacity, too many requests, or unknown."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from chalicelib.errors import (
    NoCapacity,
    StartFailed,
    StartUnknown,
    StopFailed,
    Throttled,
    TypeRefused,
)
from chalicelib.gateways.ec2 import GpuFleet, Instance


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """An EC2 with scripted answers, which refuses parameters that the real one would."""
    with Stubber(boto3.client("ec2")) as stub:
        yield stub


def fleet_of(ec2: Any) -> GpuFleet:
    return GpuFleet(ec2, tag="darkroom", port=8188)


def start_error(stub: Stubber, code: str, status: int) -> StartFailed:
    stub.add_client_error("start_instances", code, "m", status)
    with pytest.raises(StartFailed) as failure:
        fleet_of(stub.client).start("i-1")
    return failure.value


MEANINGS = {
    ("InsufficientInstanceCapacity", 500): NoCapacity,
    ("Server.InsufficientInstanceCapacity", 500): NoCapacity,
    ("InsufficientCapacity", 500): NoCapacity,
    ("Unsupported", 400): NoCapacity,
    ("VcpuLimitExceeded", 400): NoCapacity,
    ("RequestLimitExceeded", 503): Throttled,
    ("Throttling", 400): Throttled,
    ("InternalError", 500): StartUnknown,
    ("Unavailable", 503): StartUnknown,
    ("ServiceUnavailable", 503): StartUnknown,
    ("InvalidInstanceID.NotFound", 400): StartFailed,
    ("UnauthorizedOperation", 403): StartFailed,
    ("PendingVerification", 400): StartFailed,
}


@pytest.mark.parametrize(("answer", "meaning"), MEANINGS.items())
def test_an_error_of_a_start_has_a_meaning(
    stub: Stubber, answer: tuple[str, int], meaning: type[StartFailed]
) -> None:
    assert type(start_error(stub, *answer)) is meaning


def test_an_unknown_outcome_names_the_code_of_ec2(stub: Stubber) -> None:
    text = "EC2 did not say whether it starts the GPU instance (InternalError)"
    assert str(start_error(stub, "InternalError", 500)) == text


class SilentEc2:
    """An EC2 to which no request gets through, or from which no answer comes."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def start_instances(self, **_: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ReadTimeoutError, EndpointConnectionError])
def test_a_start_that_is_not_answered_has_an_unknown_outcome(error: type[Exception]) -> None:
    silence = error(endpoint_url="https://ec2")  # type: ignore[call-arg]
    with pytest.raises(StartUnknown):
        fleet_of(SilentEc2(silence)).start("i-1")


def test_a_throttled_request_is_asked_again_and_gives_no_advice_about_permissions(
    stub: Stubber, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="darkroom.ec2")
    failure = start_error(stub, "RequestLimitExceeded", 503)
    assert str(failure) == "EC2 throttles requests, and is asked again"
    assert "permission" not in caplog.text
    assert "RequestLimitExceeded: EC2 throttles requests, and is asked again" in caplog.text


@pytest.mark.parametrize(
    ("code", "meaning"),
    [("RequestLimitExceeded", Throttled), ("InvalidInstanceAttributeValue", TypeRefused)],
)
def test_an_error_of_a_change_of_the_type_has_a_meaning(
    stub: Stubber, code: str, meaning: type[StartFailed]
) -> None:
    stub.add_client_error("modify_instance_attribute", code, "m", 400)
    with pytest.raises(meaning):
        fleet_of(stub.client).change_type("i-1", "g6.xlarge")


@pytest.mark.parametrize("force", [True, False])
def test_a_stop_with_force_is_told_to_ec2(stub: Stubber, *, force: bool) -> None:
    stub.add_response("stop_instances", {}, {"InstanceIds": ["i-1"], "Force": force})
    fleet_of(stub.client).stop("i-1", force=force)
    stub.assert_no_pending_responses()


def test_a_stop_that_ec2_refuses_fails_with_its_code(stub: Stubber) -> None:
    stub.add_client_error("stop_instances", "IncorrectInstanceState", "m", 400)
    with pytest.raises(StopFailed, match="IncorrectInstanceState"):
        fleet_of(stub.client).stop("i-1")


def described(stub: Stubber, **reason: str) -> Instance:
    more = {"StateReason": reason} if reason else {}
    instance = {"InstanceId": "i-1", "State": {"Name": "stopped"}, **more}
    stub.add_response("describe_instances", {"Reservations": [{"Instances": [instance]}]})
    [member] = fleet_of(stub.client).instances()
    return member


def test_an_instance_has_the_reason_of_its_state(stub: Stubber) -> None:
    code = "Client.VolumeLimitExceeded"
    member = described(stub, Code=code, Message=f"{code}: Volume limit exceeded")
    assert (member.state_reason, member.state_message) == (code, "Volume limit exceeded")
    assert (member.lack, member.fault) == (None, f"{code}: Volume limit exceeded")


def test_an_instance_may_have_no_reason_of_its_state(stub: Stubber) -> None:
    member = described(stub)
    assert (member.state_reason, member.lack, member.fault) == (None, None, None)


LACKS = {
    "Server.InsufficientInstanceCapacity": "EC2 has no capacity right now",
    "Server.SpotInstanceShutdown": "EC2 has no capacity right now",
    "Client.InstanceLimitExceeded": "the AWS account's quota of GPU instances is used up",
    "Client.UserInitiatedShutdown": None,
    "Client.InstanceInitiatedShutdown": None,
    "Server.SpotInstanceTermination": None,
}


@pytest.mark.parametrize(("code", "lack"), LACKS.items())
def test_a_reason_that_is_no_fault_is_a_lack_of_capacity_or_a_shutdown(
    stub: Stubber, code: str, lack: str | None
) -> None:
    member = described(stub, Code=code, Message=code)
    assert (member.lack, member.fault) == (lack, None)
