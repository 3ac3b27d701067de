"""What a deployment chooses, what it keeps, and where it uploads to."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError

from infra.deploy.deployment import Clients, chosen, pairs, upload
from infra.deploy.stack import DeploymentFailed
from infra.deploy.store import Store
from tests.environment import RESOURCES
from tests.infra.cloud import IMAGE_ID, Ec2, Ssm

ACCOUNT = "123456789012"
FIRST = {
    "ImageId": IMAGE_ID,
    "GpuZones": "r-1b,r-1c,r-1b,r-1c",
    "FunctionZones": "r-1b,r-1c",
}


def choose(
    given: dict[str, str] | None = None, before: dict[str, str] | None = None, **zones: str
) -> dict[str, str]:
    clients = Clients(ec2=Ec2(**zones), ssm=Ssm(), functions=None)
    return chosen(RESOURCES, given or {}, before or {}, clients)


def test_the_first_deployment_chooses_ami_and_zones() -> None:
    assert choose() == FIRST
    assert choose({"FleetMax": "2", "ImageId": "ami-1"}) == {
        **FIRST,
        "FleetMax": "2",
        "ImageId": "ami-1",
    }


def test_zones_with_more_of_the_types_come_first() -> None:
    made = choose({"GpuTypes": "g6.xlarge, g5.xlarge"}, g6_xlarge="abc", g5_xlarge="c")
    assert made["GpuZones"] == "r-1c,r-1a,r-1b,r-1c"


def test_functions_are_in_two_zones_even_if_only_one_has_gpus() -> None:
    made = choose(g6_xlarge="c")
    assert (made["GpuZones"], made["FunctionZones"]) == ("r-1c,r-1c,r-1c,r-1c", "r-1c,r-1a")


def test_an_update_keeps_parameters_that_were_chosen_or_given() -> None:
    before = {**FIRST, "ImageId": "ami-old", "FleetMax": "2"}
    assert choose(before=before) == before
    assert choose({"FleetMax": "3"}, before) == {**before, "FleetMax": "3"}


def test_an_update_asks_aws_for_nothing() -> None:
    assert chosen(RESOURCES, {}, FIRST, Clients(ec2=None, ssm=None, functions=None)) == FIRST


def test_a_fleet_that_grows_from_zero_gets_the_latest_ami_and_zones() -> None:
    before = {**FIRST, "ImageId": "ami-old", "GpuZones": "r-1a,r-1a,r-1a,r-1a", "FleetSize": "0"}
    assert choose({"FleetSize": "1"}, before) == {**FIRST, "FleetSize": "1"}


@pytest.mark.parametrize("given", [{"FleetSize": "0"}, {"ComfyUIUrl": "https://comfyui.example"}])
def test_a_deployment_without_instances_needs_no_gpus_in_its_region(given: dict[str, str]) -> None:
    assert choose(given, g3_xlarge="a") == {**given, "FunctionZones": "r-1a,r-1b"}


def test_a_region_without_the_preferred_type_is_refused_with_the_types_it_has() -> None:
    with pytest.raises(DeploymentFailed, match=r"not offer g6.xlarge\..* offers: g5.xlarge\."):
        choose(g5_xlarge="a", g6_xlarge="L")


def test_a_type_without_a_price_is_refused_as_the_budget_needs_it() -> None:
    with pytest.raises(DeploymentFailed, match=r"GpuPrices=g9\.xlarge=DOLLARS_AN_HOUR"):
        choose({"GpuTypes": "g6.xlarge,g9.xlarge"}, g6_xlarge="ab")
    priced = {"GpuTypes": "g9.xlarge", "GpuPrices": "g9.xlarge=1.5"}
    assert choose(priced, g9_xlarge="ab")["GpuPrices"] == "g9.xlarge=1.5"


@pytest.mark.parametrize("none", [{"FleetSize": "0"}, {"ComfyUIUrl": "https://comfyui.example"}])
def test_a_deployment_without_instances_needs_no_price(none: dict[str, str]) -> None:
    assert choose({**none, "GpuTypes": "g9.xlarge"}, g9_xlarge="ab")["GpuTypes"] == "g9.xlarge"


def test_an_unknown_parameter_is_refused_and_a_removed_one_is_dropped() -> None:
    with pytest.raises(DeploymentFailed, match="no parameter FleetMaximum"):
        choose({"FleetMaximum": "2"})
    assert choose(before={**FIRST, "Gone": "1"}) == FIRST


def test_parameters_are_split_as_a_shell_does() -> None:
    assert pairs("FleetMax=2  GpuTypes=g5.xlarge,g4dn.xlarge") == {
        "FleetMax": "2",
        "GpuTypes": "g5.xlarge,g4dn.xlarge",
    }
    assert pairs("Checkpoints='s3://b/a b/ https://c/d#sha256=0'") == {
        "Checkpoints": "s3://b/a b/ https://c/d#sha256=0"
    }
    with pytest.raises(DeploymentFailed, match="FleetMax"):
        pairs("FleetMax 2")


@pytest.fixture
def s3() -> Iterator[Any]:
    with moto.mock_aws():
        yield boto3.client("s3", region_name="eu-west-1")


def test_the_bucket_of_deployments_is_created_once_and_private(s3: Any) -> None:
    store = Store(s3, account=ACCOUNT, region="eu-west-1")
    store.make()
    store.make()
    bucket = {"Bucket": f"darkroom-deployments-{ACCOUNT}-eu-west-1"}
    blocked = s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    [statement] = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert "ServerSideEncryptionConfiguration" in s3.get_bucket_encryption(**bucket)


def test_a_bucket_of_another_account_is_not_used(s3: Any) -> None:
    owners = []

    def see(model: Any, params: Any, **_: Any) -> None:
        owners.append((model.name, params["headers"].get("x-amz-expected-bucket-owner")))

    s3.meta.events.register("before-call.s3", see)
    Store(s3, account=ACCOUNT, region="eu-west-1").make()
    assert {owner for name, owner in owners if name != "CreateBucket"} == {ACCOUNT}
    with pytest.raises(ClientError):  # moto has the policy deny everything, TLS or not
        Store(s3, account=ACCOUNT, region="eu-west-1").put("template.json", b"{}")
    assert owners[-1] == ("PutObject", ACCOUNT)


def test_uploads_are_named_by_their_contents(s3: Any) -> None:
    store = Store(s3, account=ACCOUNT, region="eu-west-1")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=store.bucket, CreateBucketConfiguration=place)
    properties: dict[str, str] = {}
    function = {"Type": "AWS::Serverless::Function", "Properties": properties}
    template = {"Resources": {"Function": function}}
    first = upload(template, b"code", store)
    assert properties["CodeUri"].startswith(f"s3://{store.bucket}/code/")
    assert first.startswith(f"https://s3.eu-west-1.amazonaws.com/{store.bucket}/template/")
    assert upload(template, b"code", store) == first
    assert upload(template, b"other", store) != first
