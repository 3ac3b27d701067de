"""`make deploy`: what is chosen at the first deployment, and where things are put."""

from collections.abc import Callable
from typing import Any

import boto3
import moto
import pytest

from infra.deploy import AMI, deployment_bucket, first_choices, point_to, upload
from infra.stack import Refused
from infra.template import declared

TEMPLATE = declared()


class Account:
    """An account whose zones offer some instance types, as far as a deployment asks."""

    region_name = "eu-west-1"

    def __init__(self, offered: dict[str, list[str]]) -> None:
        self._offered = offered
        self.asked: list[str] = []

    def client(self, _: str) -> "Account":
        return self

    def describe_instance_type_offerings(self, **asked: Any) -> dict[str, Any]:
        [instance_type] = asked["Filters"][0]["Values"]
        zones = self._offered.get(instance_type, [])
        return {"InstanceTypeOfferings": [{"Location": zone} for zone in zones]}

    def get_parameter(self, *, Name: str) -> dict[str, Any]:  # noqa: N803  # boto3's
        self.asked.append(Name)
        return {"Parameter": {"Value": "ami-0123456789abcdef0"}}


def choose(account: Account, **given: str) -> dict[str, str]:
    return first_choices(account, TEMPLATE, given)


def test_the_first_deployment_finds_an_image_and_a_zone_that_has_the_type() -> None:
    account = Account({"g5.xlarge": ["eu-west-1c", "eu-west-1b"]})
    assert choose(account) == {
        "InstanceType": "g5.xlarge",
        "GpuZone": "eu-west-1b",
        "ImageId": "ami-0123456789abcdef0",
    }
    assert account.asked == [AMI]


def test_the_preferred_type_is_the_one_that_instances_are_made_as() -> None:
    account = Account({"g6.xlarge": ["eu-west-1a"]})
    assert choose(account, GpuTypes="g6.xlarge, g5.xlarge")["InstanceType"] == "g6.xlarge"


def test_what_is_given_is_not_looked_for() -> None:
    chosen = choose(Account({}), InstanceType="p3.2xlarge", GpuZone="a", ImageId="ami-00000000")
    assert chosen == {"InstanceType": "p3.2xlarge"}


def test_a_region_without_the_type_is_told() -> None:
    with pytest.raises(Refused, match=r"eu-west-1 has no g5\.xlarge"):
        choose(Account({}))


def test_a_stack_without_gpus_needs_no_choice() -> None:
    assert choose(Account({}), FleetSize="0") == {}


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_the_deployment_bucket_is_private_and_made_once(region: str) -> None:
    with moto.mock_aws():
        session = boto3.Session(region_name=region)
        bucket = deployment_bucket(session)
        assert deployment_bucket(session) == bucket
        block = session.client("s3").get_public_access_block(Bucket=bucket)
        assert set(block["PublicAccessBlockConfiguration"].values()) == {True}
        key = upload(session.client("s3"), bucket, "functions", b"code", "zip")
        assert key.startswith("functions/")
        assert key.endswith(".zip")


def test_every_function_runs_the_uploaded_code() -> None:
    functions = {"F": {"Type": "AWS::Serverless::Function", "Properties": {}}}
    template: dict[str, Any] = {"Resources": {**functions, "Q": {"Type": "AWS::SQS::Queue"}}}
    point_to(template, "s3://b/k")
    assert template["Resources"]["F"]["Properties"] == {"CodeUri": "s3://b/k"}


@pytest.mark.parametrize(
    "is_kept",
    [
        lambda properties: properties["LaunchTemplate"]["Version"] == "1",
        lambda properties: properties.keys() == {"LaunchTemplate", "Tags"},
    ],
)
def test_no_property_that_may_change_can_replace_an_instance(is_kept: Callable[..., bool]) -> None:
    gpus = [TEMPLATE["Resources"][f"Gpu{number}"]["Properties"] for number in range(1, 5)]
    assert all(is_kept(each) for each in gpus)
