"""The GPU instances of a stack: launched where EC2 has capacity, else it is said why not."""

from itertools import product
from typing import Any

import pytest

from infra.deploy.fleet import Fleet, InstancesMissing, Setting
from infra.deploy.instances import Instances
from infra.deploy.stack import DeploymentFailed
from tests.infra.cloud_ec2 import Ec2

OFFERS = {"g6.xlarge": {"a", "b"}, "g5.xlarge": {"a", "b", "c"}}
NOWHERE = {(kind, "*"): "InsufficientInstanceCapacity" for kind in OFFERS}


class Notes:
    """The reason that callers get while there is no instance."""

    def __init__(self) -> None:
        self.all: list[str | None] = []

    def put(self, reason: str) -> None:
        self.all.append(reason)

    def clear(self) -> None:
        self.all.append(None)


class Deployment:
    """A stack with subnets s-a, s-b and s-c, whose instances are launched."""

    def __init__(self) -> None:
        self.ec2 = Ec2()
        self.said: list[str] = []
        self.notes: Any = Notes()
        self.fleet = Fleet(Instances(self.ec2, "darkroom-a", lambda: None), self.said.append)
        subnets = {f"GpuSubnet{at}": f"s-{zone}" for at, zone in enumerate("abc", start=1)}
        self.resources = {"GpuLaunch": "lt-1", **subnets}

    def grow(self, size: int, zones: str = "a,b,c,none,none,none") -> None:
        known = {"GpuTypes": "g6.xlarge,g5.xlarge", "GpuZones": zones}
        self.fleet.grow(size, Setting.of(self.resources, known), OFFERS, self.notes)

    def failed(self, size: int) -> str:
        with pytest.raises(InstancesMissing) as failure:
            self.grow(size)
        return str(failure.value)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def test_instances_begin_at_different_zones_and_have_their_names(deployment: Deployment) -> None:
    deployment.grow(3)
    assert deployment.ec2.tried == ["g6.xlarge s-a", "g6.xlarge s-b", "g6.xlarge s-a"]
    assert deployment.said == [
        "Gpu1: i-1, g6.xlarge in a",
        "Gpu2: i-2, g6.xlarge in b",
        "Gpu3: i-3, g6.xlarge in a",
    ]
    tags = {tag["Key"]: tag["Value"] for tag in deployment.ec2.instances["i-2"]["Tags"]}
    assert tags == {
        "darkroom:fleet": "darkroom-a",
        "darkroom:number": "2",
        "Name": "darkroom-a-gpu-2",
    }


def test_the_next_deployment_launches_only_what_is_missing(deployment: Deployment) -> None:
    deployment.grow(2)
    deployment.ec2.terminate_instances(InstanceIds=["i-1"])
    deployment.grow(3)
    assert deployment.said[2:] == ["Gpu1: i-3, g6.xlarge in a", "Gpu3: i-4, g6.xlarge in a"]
    deployment.grow(3)
    assert len(deployment.said) == 4


def test_a_shortage_in_a_zone_leads_to_the_next_zone_and_then_to_the_next_type(
    deployment: Deployment,
) -> None:
    short = "InsufficientInstanceCapacity"
    deployment.ec2.refuses = {("g6.xlarge", "*"): short, ("g5.xlarge", "s-a"): short}
    deployment.grow(1)
    assert deployment.ec2.tried == [
        "g6.xlarge s-a",
        "g6.xlarge s-b",
        "g5.xlarge s-a",
        "g5.xlarge s-b",
    ]


def test_a_quota_is_the_same_in_all_zones_so_that_the_next_type_is_tried(
    deployment: Deployment,
) -> None:
    deployment.ec2.refuses = {("g6.xlarge", "*"): "VcpuLimitExceeded"}
    deployment.grow(1)
    assert deployment.ec2.tried == ["g6.xlarge s-a", "g5.xlarge s-a"]


def test_an_instance_that_ec2_takes_back_while_it_is_pending_is_launched_elsewhere(
    deployment: Deployment,
) -> None:
    deployment.ec2.ends = {("g6.xlarge", "s-a"): "Server.InsufficientInstanceCapacity"}
    deployment.grow(1)
    assert deployment.said == ["Gpu1: i-2, g6.xlarge in b"]


def test_an_instance_that_cannot_be_looked_at_is_not_launched_again(deployment: Deployment) -> None:
    deployment.ec2.late, deployment.ec2.error = 3, "RequestLimitExceeded"
    deployment.grow(1)
    assert list(deployment.ec2.instances) == ["i-1"]


def test_ec2_may_not_know_at_once_what_it_has_launched(deployment: Deployment) -> None:
    deployment.ec2.late = 2
    deployment.grow(1)
    assert deployment.said == ["Gpu1: i-1, g6.xlarge in a"]


def test_without_capacity_the_failure_names_each_place_and_the_jobs_get_the_reason(
    deployment: Deployment,
) -> None:
    deployment.ec2.refuses = NOWHERE
    said = deployment.failed(4)
    assert said.count("EC2 has no capacity right now (InsufficientInstanceCapacity)") == 5
    assert "g5.xlarge in c" in said
    assert "The API works, and jobs wait for a GPU. Gpu2 to Gpu4 were not tried." in said
    assert "Deploy again later, or name further types" in said
    assert deployment.notes.all == ["it is being launched", "EC2 has no capacity right now"]


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("VcpuLimitExceeded", "the AWS account's quota of GPU", "Running On-Demand G and VT"),
        ("PendingVerification", "EC2 refused to launch it (Pend", "AWS verifies a new account"),
        ("UnauthorizedOperation", "EC2 refused to launch it (Unau", "ec2:RunInstances"),
        ("InvalidAMIID.NotFound", "EC2 refused to launch it (Inva", 'PARAMETERS="ImageId="'),
        ("SomethingNew", "EC2 refused to launch it (Some", "Correct this, and deploy again"),
    ],
)
def test_another_refusal_names_its_remedy_and_is_tried_once_for_each_type(
    deployment: Deployment, code: str, reason: str, remedy: str
) -> None:
    deployment.ec2.refuses = {(kind, "*"): code for kind in OFFERS}
    said = deployment.failed(1)
    assert len(deployment.ec2.tried) == 2
    assert remedy in said
    assert str(deployment.notes.all[-1]).startswith(reason)


def test_a_disk_key_that_ec2_may_not_use_is_named(deployment: Deployment) -> None:
    for kind, zone in product(OFFERS, "abc"):
        deployment.ec2.ends[kind, f"s-{zone}"] = "Client.InternalError"
    assert "key" in deployment.failed(1)


def test_a_region_that_offers_none_of_the_types_is_named(deployment: Deployment) -> None:
    with pytest.raises(InstancesMissing, match="has no zone or no AMI for it") as failure:
        deployment.grow(1, zones="none,none,none,none,none,none")
    assert "'GPU zones'" in str(failure.value)


def test_a_stack_without_an_ami_launches_nothing(deployment: Deployment) -> None:
    del deployment.resources["GpuLaunch"]
    assert "has no zone or no AMI for it" in deployment.failed(1)
    assert deployment.ec2.tried == []


def test_once_an_instance_exists_the_jobs_wait_for_that_one(deployment: Deployment) -> None:
    deployment.grow(1)
    assert deployment.notes.all == ["it is being launched", None]
    deployment.ec2.refuses = NOWHERE
    assert "for Gpu2" in deployment.failed(2)
    assert deployment.notes.all[-1] is None


def test_the_note_is_deleted_as_soon_as_one_instance_exists(deployment: Deployment) -> None:
    launch = deployment.ec2.run_instances

    def launch_once(**asked: Any) -> Any:
        deployment.ec2.refuses = NOWHERE if deployment.ec2.instances else {}
        return launch(**asked)

    deployment.ec2.run_instances = launch_once  # type: ignore[method-assign]
    assert "for Gpu2" in deployment.failed(2)
    assert deployment.notes.all == ["it is being launched", None]


def test_instances_above_the_size_are_terminated_only_if_that_is_accepted(
    deployment: Deployment,
) -> None:
    deployment.grow(3)
    with pytest.raises(DeploymentFailed, match="ACCEPT=Gpu2,Gpu3"):
        deployment.fleet.check(1, [])
    with pytest.raises(DeploymentFailed, match="ACCEPT=Gpu3"):
        deployment.fleet.check(1, ["Gpu2"])
    deployment.fleet.check(1, ["Gpu2", "Gpu3"])
    deployment.fleet.shrink(1)
    states = {id_: each["State"]["Name"] for id_, each in deployment.ec2.instances.items()}
    assert states == {"i-1": "running", "i-2": "terminated", "i-3": "terminated"}


def test_an_instance_that_ec2_has_already_forgotten_is_terminated(deployment: Deployment) -> None:
    deployment.grow(1)
    deployment.ec2.late = 1
    deployment.fleet.shrink(0)
    assert deployment.ec2.late == 0


def test_instances_of_another_stack_and_of_the_operator_are_left_alone(
    deployment: Deployment,
) -> None:
    other = {"darkroom:fleet": "darkroom-b", "darkroom:number": "9"}
    own = {"darkroom:fleet": "darkroom-a"}
    for id_, tags in (("i-other", other), ("i-own", own)):
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        running = {"InstanceId": id_, "Tags": listed, "State": {"Name": "running"}}
        deployment.ec2.instances[id_] = running
    deployment.fleet.check(0, [])
    deployment.fleet.shrink(0)
    assert {each["State"]["Name"] for each in deployment.ec2.instances.values()} == {"running"}
