"""The EC2 gateway: which instances are in the fleet, and how they are started and stopped."""

from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest
from botocore.stub import Stubber

from chalicelib.errors import StartFailed
from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet

PORT = 8188
SECRET = "You are not authorized: arn:aws:iam::123456789012:role/x Encoded failure message: Zm9v"


@pytest.fixture
def ec2() -> Iterator[Any]:
    """An EC2 without instances."""
    with moto.mock_aws():
        yield boto3.client("ec2")


@pytest.fixture
def fleet(ec2: Any) -> GpuFleet:
    return GpuFleet(ec2, tag="darkroom", port=PORT)


def launch(ec2: Any, count: int = 1, **tags: str) -> list[str]:
    """Run instances with tags, `__` standing for the colon."""
    listed = [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]
    launched = ec2.run_instances(
        ImageId="ami-12c6146b",
        InstanceType="g5.xlarge",
        MinCount=count,
        MaxCount=count,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}],
    )
    return [each["InstanceId"] for each in launched["Instances"]]


def test_instances_are_found_by_their_tag_and_ordered_by_id(ec2: Any, fleet: GpuFleet) -> None:
    members = launch(ec2, 5, darkroom__fleet="darkroom")
    launch(ec2, darkroom__fleet="another")
    launch(ec2, Name="darkroom")
    assert [each.id for each in fleet.instances()] == sorted(members)


def test_a_terminated_instance_is_not_in_the_fleet(ec2: Any, fleet: GpuFleet) -> None:
    gone, stopped, running = launch(ec2, 3, darkroom__fleet="darkroom")
    ec2.terminate_instances(InstanceIds=[gone])
    ec2.stop_instances(InstanceIds=[stopped])
    states = {each.id: each.state for each in fleet.instances()}
    assert states == {stopped: "stopped", running: "running"}


def test_a_fleet_may_be_empty(fleet: GpuFleet) -> None:
    assert fleet.instances() == []


def test_the_address_of_comfyui_is_private_unless_a_tag_sets_it(ec2: Any, fleet: GpuFleet) -> None:
    (plain,) = launch(ec2, darkroom__fleet="darkroom")
    endpoint = "http://127.0.0.1:9999"
    (tagged,) = launch(ec2, darkroom__fleet="darkroom", darkroom__endpoint=endpoint)
    described = ec2.describe_instances(InstanceIds=[plain])["Reservations"][0]["Instances"][0]
    urls = {each.id: each.url for each in fleet.instances()}
    assert urls == {plain: f"http://{described['PrivateIpAddress']}:{PORT}", tagged: endpoint}


def test_an_instance_is_kept_on_by_a_tag_of_any_value(ec2: Any, fleet: GpuFleet) -> None:
    (kept,) = launch(ec2, darkroom__fleet="darkroom", darkroom__keep="")
    (other,) = launch(ec2, darkroom__fleet="darkroom")
    assert {each.id: each.is_kept for each in fleet.instances()} == {kept: True, other: False}


def test_instances_have_a_type_and_can_be_started(ec2: Any, fleet: GpuFleet) -> None:
    launch(ec2, darkroom__fleet="darkroom")
    (member,) = fleet.instances()
    assert (member.type, member.can_be_started) == ("g5.xlarge", True)


def test_a_stopped_instance_is_started_and_a_running_one_stopped(ec2: Any, fleet: GpuFleet) -> None:
    (id_,) = launch(ec2, darkroom__fleet="darkroom")
    for _ in ("first", "again, which is harmless"):
        fleet.stop(id_)
        assert fleet.instances()[0].state == "stopped"
    for _ in ("first", "again, which is harmless"):
        fleet.start(id_)
        assert fleet.instances()[0].state == "running"


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """An EC2 with scripted answers, which refuses parameters that the real one would."""
    with Stubber(boto3.client("ec2")) as stub:
        yield stub


def stubbed(stub: Stubber) -> GpuFleet:
    return GpuFleet(stub.client, tag="darkroom", port=PORT)


def reservation(id_: str, state: str, **more: Any) -> dict[str, Any]:
    return {"Instances": [{"InstanceId": id_, "State": {"Name": state}, **more}]}


def test_every_page_of_instances_is_read(stub: Stubber) -> None:
    filters = {"Filters": [{"Name": "tag:darkroom:fleet", "Values": ["darkroom"]}]}
    first = [reservation("i-3", "stopped"), reservation("i-2", "shutting-down")]
    pages = [
        ({"Reservations": first, "NextToken": "more"}, filters),
        ({"Reservations": [], "NextToken": "yet more"}, {**filters, "NextToken": "more"}),
        (
            {"Reservations": [reservation("i-1", "pending", PrivateIpAddress="10.0.0.7")]},
            {**filters, "NextToken": "yet more"},
        ),
    ]
    for answer, expected in pages:
        stub.add_response("describe_instances", answer, expected)
    members = stubbed(stub).instances()
    assert [(each.id, each.state) for each in members] == [("i-1", "pending"), ("i-3", "stopped")]
    assert members[0].url == "http://10.0.0.7:8188"


def refuse(stub: Stubber, code: str) -> None:
    stub.add_client_error("start_instances", code, SECRET, expected_params={"InstanceIds": ["i-1"]})


def test_starting_an_instance_that_is_still_stopping_is_not_an_error(stub: Stubber) -> None:
    refuse(stub, "IncorrectInstanceState")
    stubbed(stub).start("i-1")
    stub.assert_no_pending_responses()


REFUSALS = {
    "InsufficientInstanceCapacity": "",
    "InsufficientHostCapacity": "",
    "InstanceLimitExceeded": "quota",
    "VcpuLimitExceeded": "quota",
    "UnauthorizedOperation": "permission",
    "InvalidInstanceID.NotFound": "EC2 console",
}


@pytest.mark.parametrize(("code", "logged"), REFUSALS.items())
def test_a_refused_start_has_advice_and_not_the_message_of_aws(
    stub: Stubber, caplog: pytest.LogCaptureFixture, code: str, logged: str
) -> None:
    caplog.set_level("WARNING", logger="darkroom.ec2")
    refuse(stub, code)
    with pytest.raises(StartFailed) as failure:
        stubbed(stub).start("i-1")
    assert "few minutes" in failure.value.suggestion
    assert logged in caplog.text  # for the operator
    said = f"{failure.value} {failure.value.suggestion} {caplog.text}"
    assert not [word for word in ("arn:", "Encoded", "123456789012") if word in said]


def test_a_fixed_address_is_one_running_instance_that_cannot_be_started() -> None:
    fleet = StaticFleet("http://10.0.0.1:8188/")
    with pytest.raises(StartFailed):
        fleet.start("static")
    fleet.stop("static")
    url = "http://10.0.0.1:8188"
    assert fleet.instances() == [Instance("static", "running", url, can_be_started=False)]
