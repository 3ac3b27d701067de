"""What a deployment chooses, what it keeps, and where it uploads to."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError

from infra.deploy import choices
from infra.deploy.deployment import Clients, chosen, decided, pairs, upload
from infra.deploy.stack import DeploymentFailed
from infra.deploy.store import Store
from tests.environment import RESOURCES
from tests.infra.cloud_ec2 import IMAGE_ID, Ec2, Kms, Ssm

ACCOUNT = "123456789012"
LIMITS = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}
FIRST = {
    "ImageId": IMAGE_ID,
    "GpuZones": "r-1b,r-1c,r-1a,none,none,none",
    "FunctionZones": "r-1b,r-1c",
}


def clients(ec2: Ec2 | None = None, ssm: Ssm | None = None, kms: Kms | None = None) -> Clients:
    return Clients(ec2=ec2 or Ec2(), ssm=ssm or Ssm(), functions=None, kms=kms or Kms())


def choose(
    given: dict[str, str] | None = None, before: dict[str, str] | None = None, **zones: str
) -> dict[str, str]:
    return chosen(RESOURCES, given or {}, before or {}, clients(Ec2(**zones)))


def test_the_first_deployment_chooses_ami_and_zones() -> None:
    assert choose() == FIRST
    assert choose({"FleetMax": "2", "ImageId": "ami-1"}) == {
        **FIRST,
        "FleetMax": "2",
        "ImageId": "ami-1",
    }


def test_zones_with_the_preferred_type_come_first_then_those_with_more_types() -> None:
    made = choose({"GpuTypes": "g6.xlarge, g5.xlarge"}, g6_xlarge="ab", g5_xlarge="bc")
    assert made["GpuZones"] == "r-1b,r-1a,r-1c,none,none,none"


def test_functions_are_in_two_zones_even_if_only_one_has_gpus() -> None:
    made = choose(g6_xlarge="c")
    assert (made["GpuZones"], made["FunctionZones"]) == (
        "r-1c,none,none,none,none,none",
        "r-1c,r-1a",
    )


@pytest.mark.parametrize(("old", "zones"), [("c", "r-1b,r-1a"), ("bc", "r-1a,r-1a")])
def test_functions_are_in_no_zone_that_lambda_does_not_support(old: str, zones: str) -> None:
    ec2 = Ec2()
    ec2.old = old
    made = chosen(RESOURCES, {}, {}, clients(ec2))
    assert (made["GpuZones"], made["FunctionZones"]) == (FIRST["GpuZones"], zones)


def test_without_types_the_zones_are_those_of_the_type_that_instances_have() -> None:
    assert choose({"GpuTypes": ""}, g4dn_xlarge="b")["GpuZones"].startswith("r-1b,none")


def test_the_ami_is_the_newest_one_that_the_region_has() -> None:
    found = choices.image(Ssm(*choices.IMAGES[1:3], "/aws/service/other"))
    assert found == IMAGE_ID
    assert choices.image(Ssm("/aws/service/other")) is None


def test_a_region_without_a_known_ami_names_those_that_it_has() -> None:
    ssm = Ssm("/…/pytorch-3.0-ubuntu-26.04/latest/ami-id", "/…/tensorflow-ubuntu-26.04")
    text, remedy = choices.no_image(ssm)
    assert "pytorch-3.0-ubuntu-26.04" in text
    assert "tensorflow" not in text
    assert "ImageId=ami-" in remedy
    made = chosen(RESOURCES, {}, {}, clients(ssm=ssm))
    assert "ImageId" not in made  # the API works, and no instance is launched


@pytest.mark.parametrize(
    ("default", "manager", "chosen_key"),
    [
        ("alias/aws/ebs", "CUSTOMER", None),
        ("1234abcd", "CUSTOMER", Kms.ARN),
        ("1234abcd", "AWS", None),
        ("1234abcd", "", None),
        ("", "CUSTOMER", None),
    ],
)
def test_a_customer_key_that_is_the_default_for_disks_becomes_a_parameter(
    default: str, manager: str, chosen_key: str | None
) -> None:
    ec2 = Ec2()
    ec2.key = default
    made = chosen(RESOURCES, {}, {}, clients(ec2, kms=Kms(manager)))
    assert made.get("VolumeKeyArn") == chosen_key


def test_a_key_that_was_chosen_before_is_kept() -> None:
    before = {**FIRST, "VolumeKeyArn": "arn:aws:kms:r:1:key/old"}
    assert choose(before=before) == before


@pytest.mark.parametrize("size", ["21", "-1", "many", ""])
def test_a_wrong_number_of_instances_is_refused(size: str) -> None:
    with pytest.raises(DeploymentFailed, match="FleetSize takes a whole number from 0 to 20"):
        choose({"FleetSize": size})


def test_an_update_keeps_parameters_that_were_chosen_or_given() -> None:
    before = {**FIRST, "ImageId": "ami-old", "FleetMax": "2"}
    assert choose(before=before) == before
    assert choose({"FleetMax": "3"}, before) == {**before, "FleetMax": "3"}


def test_an_update_does_not_look_for_another_ami() -> None:
    ssm = Ssm()
    assert chosen(RESOURCES, {}, FIRST, clients(ssm=ssm)) == FIRST
    assert ssm.asked == 0


def test_a_fleet_that_grows_from_zero_gets_the_latest_ami_and_keeps_its_zones() -> None:
    zones = "r-1a,none,none,none,none,none"
    before = {**FIRST, "ImageId": "ami-old", "GpuZones": zones, "FleetSize": "0"}
    assert choose({"FleetSize": "1"}, before) == {**FIRST, "GpuZones": zones, "FleetSize": "1"}


@pytest.mark.parametrize("name", ["ImageId", "VolumeKeyArn"])
def test_what_is_given_as_empty_is_chosen_again_for_later_instances(name: str) -> None:
    assert choose({name: ""}, {**FIRST, name: "old"}) == FIRST


def test_zones_are_filled_up_also_when_they_are_given() -> None:
    given = {"GpuZones": "r-1a,r-1c", "WorkerConcurrency": "9"}
    functions = SimpleNamespace(get_account_settings=lambda: {"AccountLimit": LIMITS})
    made = decided(RESOURCES, given, {}, clients()._replace(functions=functions))
    assert made["GpuZones"] == "r-1a,r-1c,none,none,none,none"
    assert (made["WorkerConcurrency"], made["MostWorkerInvocations"]) == ("9", "500")


@pytest.mark.parametrize("name", ["GpuZones", "FunctionZones"])
def test_zones_that_are_given_as_empty_are_chosen(name: str) -> None:
    assert choose({name: ""}) == FIRST


def test_zones_of_instances_can_be_added_but_not_moved() -> None:
    more = choose({"GpuZones": "r-1b,r-1c,r-1a,r-1f"}, FIRST)
    assert more["GpuZones"] == "r-1b,r-1c,r-1a,r-1f,none,none"
    with pytest.raises(DeploymentFailed, match="must begin with r-1b,r-1c,r-1a"):
        choose({"GpuZones": "r-1c,r-1b,r-1a"}, FIRST)
    with pytest.raises(DeploymentFailed, match="FunctionZones must begin with r-1b,r-1c"):
        choose({"FunctionZones": "r-1a,r-1c"}, FIRST)


@pytest.mark.parametrize("given", [{"FleetSize": "0"}, {"ComfyUIUrl": "https://comfyui.example"}])
def test_a_deployment_without_instances_needs_no_gpus_in_its_region(given: dict[str, str]) -> None:
    assert choose(given, g3_xlarge="a") == {**given, "FunctionZones": "r-1a,r-1b"}


def test_a_region_without_the_types_has_no_zones_of_instances() -> None:
    made = choose(g5_xlarge="L", g6_xlarge="L")
    assert made["GpuZones"] == "none,none,none,none,none,none"


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


def test_uploads_are_named_by_their_contents(s3: Any, tmp_path: Path) -> None:
    store = Store(s3, account=ACCOUNT, region="eu-west-1")
    place = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket=store.bucket, CreateBucketConfiguration=place)
    (tmp_path / "deployment.zip").write_bytes(b"code")
    (tmp_path / "pages.zip").write_bytes(b"pages")
    first, codes = uploaded(tmp_path, store)
    assert first.startswith(f"https://s3.eu-west-1.amazonaws.com/{store.bucket}/template/")
    assert all(code.startswith(f"s3://{store.bucket}/code/") for code in codes.values())
    keys = {name: code.removeprefix(f"s3://{store.bucket}/") for name, code in codes.items()}
    stored = {
        name: s3.get_object(Bucket=store.bucket, Key=key)["Body"].read()
        for name, key in keys.items()
    }
    assert stored == {"APIHandler": b"code", "Pages": b"pages"}
    assert uploaded(tmp_path, store) == (first, codes)
    (tmp_path / "pages.zip").write_bytes(b"other")
    again, changed = uploaded(tmp_path, store)
    assert again != first
    assert [name for name in codes if changed[name] != codes[name]] == ["Pages"]


def uploaded(packed: Path, store: Store) -> tuple[str, dict[str, str]]:
    """Upload a template of two functions; return its URL and the location of each one's code."""
    zips = {"APIHandler": "./deployment.zip", "Pages": "./pages.zip"}
    kind = "AWS::Serverless::Function"
    template: dict[str, Any] = {
        "Resources": {
            name: {"Type": kind, "Properties": {"CodeUri": zipped}} for name, zipped in zips.items()
        }
    }
    url = upload(template, packed, store)
    resources = template["Resources"]
    return url, {name: resources[name]["Properties"]["CodeUri"] for name in zips}
