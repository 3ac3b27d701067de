"""`make deploy` and `make destroy` on the emulator: create, update, refuse, roll back, delete."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.aws import Account
from infra.deploy.__main__ import carry_out
from infra.deploy.deployment import Template
from infra.deploy.destroy import delete_data, destroy
from infra.deploy.fleet import Fleet, InstancesMissing
from infra.deploy.instances import Instances
from infra.deploy.resource import Resource
from infra.deploy.stack import DeploymentFailed, Stack
from local.stack.deploy import adapt
from local.stack.emulator import ACCESS_KEY, REGION, SECRET_KEY, Emulator

NAME = "darkroom-test"

# CloudFormation cannot create parameters of type SecureString.
BROKEN = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "SecureString", "Value": "x"}}


class Deployment:
    """A stack on the emulator, from a package whose template a test may change."""

    def __init__(self, emulator: Emulator, packed: Path) -> None:
        self.client = emulator.client
        self.packed = packed
        self.said: list[str] = []
        cloudformation = emulator.client("cloudformation")
        self.stack = Stack(cloudformation, NAME, pause=lambda: None, say=self.said.append)
        session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        self.account = Account(ACCESS_KEY, REGION, session)
        self.fleet = Fleet(Instances(emulator.client("ec2"), NAME, lambda: None), self.said.append)

    def deploy(self, *, accept: tuple[str, ...] = (), **given: str) -> bool:
        return carry_out(self.account, self.stack, lambda: self.packed, given, accept)

    def destroy(self) -> list[Resource]:
        return destroy(self.stack, self.fleet)

    def instances(self) -> dict[str, str]:
        """Return name and subnet of each instance that is not terminated."""
        filters = [
            {"Name": "tag:darkroom:fleet", "Values": [NAME]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        found = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return {
            next(tag["Value"] for tag in each["Tags"] if tag["Key"] == "Name"): each["SubnetId"]
            for group in found
            for each in group["Instances"]
        }

    def ids(self) -> dict[str, str]:
        return {each.name: each.id for each in self.stack.resources()}

    @property
    def template(self) -> Template:
        template: Template = json.loads((self.packed / "template.json").read_text())
        return template

    def change(self, template: Template) -> None:
        (self.packed / "template.json").write_text(json.dumps(template))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("updating") / "emulator", port=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", emulator.url)
        yield emulator
    emulator.stop()


@pytest.fixture
def deployment(emulator: Emulator, packaged: Path, tmp_path: Path) -> Iterator[Deployment]:
    shutil.copytree(packaged, tmp_path / "package")
    found = Deployment(emulator, tmp_path / "package")
    template = found.template
    adapt(template)
    found.change(template)
    assert found.deploy(FleetSize="0", FleetMax="2")
    yield found
    if found.stack.exists:
        delete_data(found.destroy(), found.client("dynamodb"), found.client("s3"))


def test_an_update_keeps_the_resources_and_the_parameters_given_before(
    deployment: Deployment,
) -> None:
    before = deployment.ids()
    assert deployment.deploy(IdleStopSeconds="600")
    assert deployment.ids() == before
    chosen = deployment.stack.chosen()
    assert (chosen["FleetMax"], chosen["IdleStopSeconds"]) == ("2", "600")
    function = deployment.client("lambda").get_function_configuration(
        FunctionName=before["Reconciler"]
    )
    variables = function["Environment"]["Variables"]
    assert (variables["FLEET_MAX"], variables["IDLE_STOP_SECONDS"]) == ("2", "600")


def test_the_places_of_workers_follow_the_fleet_unless_they_are_given(
    deployment: Deployment,
) -> None:
    assert deployment.deploy(WorkerConcurrency="9")
    assert deployment.stack.chosen()["WorkerConcurrency"] == "9"
    assert deployment.deploy()
    assert "WorkerConcurrency" not in deployment.stack.chosen()
    assert deployment.deploy(FleetMax="6")
    chosen = deployment.stack.chosen()
    assert (chosen["WorkerConcurrency"], chosen["MostWorkerInvocations"]) == ("9", "600")


def test_a_fleet_that_is_no_number_is_refused(deployment: Deployment) -> None:
    with pytest.raises(DeploymentFailed, match="FleetMax takes a whole number, not two"):
        deployment.deploy(FleetMax="two")


def test_lambda_lets_the_worker_alone_call_itself(deployment: Deployment) -> None:
    functions, ids = deployment.client("lambda"), deployment.ids()
    names = ("APIHandler", "Authorizer", "Worker", "Runs", "Reconciler", "Reclaim")
    loops = {
        name: functions.get_function_recursion_config(FunctionName=ids[name])["RecursiveLoop"]
        for name in names
    }
    assert loops == {**dict.fromkeys(names, "Terminate"), "Worker": "Allow"}


def test_deploying_an_unchanged_package_does_nothing(deployment: Deployment) -> None:
    assert not deployment.deploy()


def test_a_parameter_that_was_never_given_takes_a_new_default(deployment: Deployment) -> None:
    template = deployment.template
    template["Parameters"]["ComfyUICommit"]["Default"] = "0f" * 20
    template["Parameters"]["FleetMax"]["Default"] = 7
    deployment.change(template)
    assert deployment.deploy()
    settings = deployment.client("ssm").get_parameter(Name=f"/{NAME}/instance")["Parameter"]
    lines = dict(line.split("=", 1) for line in settings["Value"].splitlines())
    assert lines["COMFYUI_COMMIT"] == "0f" * 20
    assert deployment.stack.chosen()["FleetMax"] == "2"


def test_the_settings_of_the_instances_name_their_bundle(deployment: Deployment) -> None:
    settings = deployment.client("ssm").get_parameter(Name=f"/{NAME}/instance")["Parameter"]
    lines = dict(line.split("=", 1) for line in settings["Value"].splitlines())
    stored = deployment.client("s3").head_object(Bucket=lines["BUCKET"], Key=lines["BUNDLE_KEY"])
    assert stored["ContentLength"] > 0
    assert lines["BUNDLE_KEY"] == f"instance/{lines['BUNDLE_SHA256']}.tar.gz"
    assert lines["LOG_GROUP"] == deployment.stack.outputs()["InstanceLogsName"]


def test_a_template_that_would_replace_a_table_is_refused(deployment: Deployment) -> None:
    before = deployment.ids()
    template = deployment.template
    properties = template["Resources"]["FleetTable"]["Properties"]
    properties["TableName"] = "another"
    deployment.change(template)
    with pytest.raises(DeploymentFailed, match="FleetTable would be replaced: changed TableName"):
        deployment.deploy()
    assert deployment.ids() == before


def test_a_template_that_would_remove_a_table_is_refused(deployment: Deployment) -> None:
    template = deployment.template
    _without(template, "KeysTable")
    deployment.change(template)
    with pytest.raises(DeploymentFailed, match="KeysTable would be removed"):
        deployment.deploy()
    assert "KeysTable" in deployment.ids()


def test_a_failed_update_is_reported_and_rolled_back(deployment: Deployment) -> None:
    before = deployment.ids()
    template = deployment.template
    template["Resources"]["Broken"] = BROKEN
    deployment.change(template)
    with pytest.raises(DeploymentFailed, match=r"UPDATE_ROLLBACK_COMPLETE:\n  Broken \(AWS::SSM"):
        deployment.deploy()
    assert deployment.ids() == before


def test_a_failed_first_deployment_can_be_repeated(deployment: Deployment) -> None:
    delete_data(deployment.destroy(), deployment.client("dynamodb"), deployment.client("s3"))
    good = deployment.template
    bad = deployment.template
    bad["Resources"]["Broken"] = BROKEN
    deployment.change(bad)
    with pytest.raises(DeploymentFailed, match=r"ROLLBACK_COMPLETE:\n  Broken \(AWS::SSM"):
        deployment.deploy(FleetSize="0")
    assert not deployment.client("dynamodb").list_tables()["TableNames"]
    deployment.change(good)
    assert deployment.deploy(FleetSize="0")


def test_destroying_keeps_tables_and_images(deployment: Deployment) -> None:
    dynamodb, s3 = deployment.client("dynamodb"), deployment.client("s3")
    ids = deployment.ids()
    s3.put_object(Bucket=ids["ImagesBucket"], Key="images/1.png", Body=b"PNG")
    kept = deployment.destroy()
    assert deployment.stack.status is None
    assert {each.id for each in kept} == {
        ids[name] for name in ids if name.endswith("Table") or name == "ImagesBucket"
    }
    assert s3.get_object(Bucket=ids["ImagesBucket"], Key="images/1.png")["Body"].read() == b"PNG"
    delete_data(kept, dynamodb, s3)
    assert not {*ids.values()} & {*dynamodb.list_tables()["TableNames"]}
    assert ids["ImagesBucket"] not in {each["Name"] for each in s3.list_buckets()["Buckets"]}


def test_destroying_keeps_and_names_what_cannot_be_deleted(deployment: Deployment) -> None:
    template = deployment.template
    properties = {"CidrBlock": "10.9.0.0/16"}
    template["Resources"]["Vpc"] = {"Type": "AWS::EC2::VPC", "Properties": properties}
    deployment.change(template)
    deployment.deploy()
    vpc, ec2 = deployment.ids()["Vpc"], deployment.client("ec2")
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    left = deployment.destroy()
    assert deployment.stack.status is None
    [kept] = delete_data(left, deployment.client("dynamodb"), deployment.client("s3"))
    assert (
        kept.removal
        == f"{vpc} (Vpc, AWS::EC2::VPC); to delete it: `aws ec2 delete-vpc --vpc-id {vpc}`"
    )
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_termination_protection_prevents_deleting_the_stack(deployment: Deployment) -> None:
    cloudformation = deployment.client("cloudformation")
    with pytest.raises(cloudformation.exceptions.ClientError, match="TerminationProtection"):
        cloudformation.delete_stack(StackName=NAME)


def _without(template: Template, name: str) -> None:
    """Remove a resource, and replace the references to it."""
    references = {"Ref": name}, {"Fn::GetAtt": [name, "Arn"]}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: "gone" if inner in references else replaced(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return ["gone" if inner in references else replaced(inner) for inner in value]
        return value

    del template["Resources"][name]
    template.update(replaced(template))


def test_instances_are_launched_after_the_stack_and_terminated_before_it(
    deployment: Deployment,
) -> None:
    assert deployment.deploy(FleetSize="2", ImageId="ami-0123456789abcdef0")
    ids = deployment.ids()
    first = {f"{NAME}-gpu-1": ids["GpuSubnet1"], f"{NAME}-gpu-2": ids["GpuSubnet2"]}
    assert deployment.instances() == first
    assert not deployment.deploy()
    assert deployment.instances() == first
    with pytest.raises(DeploymentFailed, match="ACCEPT=Gpu2"):
        deployment.deploy(FleetSize="1")
    deployment.deploy(FleetSize="1", accept=("Gpu2",))
    assert list(deployment.instances()) == [f"{NAME}-gpu-1"]
    deployment.destroy()
    assert deployment.instances() == {}
    assert "Gpu1: terminating" in "\n".join(deployment.said)


def test_an_instance_that_cannot_be_launched_leaves_an_api_that_works(
    deployment: Deployment,
) -> None:
    prices = {"GpuTypes": "g9.metal", "GpuPrices": "g9.metal=1"}
    with pytest.raises(InstancesMissing, match="this region has no zone or no AMI for it"):
        deployment.deploy(FleetSize="1", **prices)
    assert deployment.stack.status == "UPDATE_COMPLETE"
    fleet = deployment.stack.outputs()["FleetTableName"]
    [note] = deployment.client("dynamodb").scan(TableName=fleet)["Items"]
    assert note["reason"] == {"S": "this region has no zone or no AMI for it"}
    deployment.deploy(FleetSize="1", GpuTypes="g5.xlarge", ImageId="ami-0123456789abcdef0")
    assert deployment.client("dynamodb").scan(TableName=fleet)["Items"] == []


def test_nothing_is_deployed_where_no_api_would_work(deployment: Deployment) -> None:
    before = deployment.stack.chosen()
    with pytest.raises(DeploymentFailed, match="Nothing was deployed, because of: concurrency"):
        deployment.deploy(FleetMax="9000")
    assert "stop" in next(row for row in deployment.said if "9000" in row)
    assert deployment.stack.chosen() == before


def test_a_first_deployment_that_failed_is_repeated_with_its_parameters(
    deployment: Deployment,
) -> None:
    delete_data(deployment.destroy(), deployment.client("dynamodb"), deployment.client("s3"))
    good, bad = deployment.template, deployment.template
    bad["Resources"]["Broken"] = BROKEN
    deployment.change(bad)
    with pytest.raises(DeploymentFailed, match="ROLLBACK_COMPLETE"):
        deployment.deploy(FleetSize="0", DailyBudget="3", NatGateway="yes")
    deployment.change(good)
    deployment.deploy()
    chosen = deployment.stack.chosen()
    assert (chosen["DailyBudget"], chosen["NatGateway"]) == ("3", "yes")
