"""A stack whose last operation failed: deploy again, or delete again, and lose nothing."""

from collections.abc import Collection
from typing import Any

import pytest

from infra.deploy.destroy import destroy
from infra.deploy.fleet import Fleet
from infra.deploy.instances import Instances
from infra.deploy.recovery import recover
from infra.deploy.resource import NEVER_LEFT, Resource
from infra.deploy.stack import DeploymentFailed, Stack
from infra.failures import CommandFailed
from tests.environment import RESOURCES
from tests.infra.cloud import CloudFormation, event
from tests.infra.cloud_ec2 import Ec2

TABLE, GROUP = "AWS::DynamoDB::Table", "AWS::EC2::SecurityGroup"
DELETED, CREATED = ["DELETE_IN_PROGRESS", "GONE"], ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
NOT_DELETED = ["DELETE_IN_PROGRESS", "DELETE_FAILED"]
UPDATED = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
IN_USE = event("FunctionGroup", GROUP, "DELETE_FAILED", "resource sg-1 has a dependent object")
STUCK = event("Worker", "AWS::Lambda::Function", "UPDATE_FAILED", "Rate exceeded")


class Operator:
    """Deploys and destroys a stack, and reads what the command says."""

    def __init__(self, cloudformation: CloudFormation) -> None:
        self.aws = cloudformation
        self.said: list[str] = []
        self.seconds = 0.0
        self.stack = Stack(
            cloudformation, "s", self._pause, self.said.append, clock=lambda: self.seconds
        )
        self.ec2 = Ec2()
        self.fleet = Fleet(Instances(self.ec2, "s", lambda: None), self.said.append)

    def _pause(self) -> None:
        self.seconds += 5

    def deploy(self, accept: Collection[str] = ()) -> str:
        """Return what was said, a refusal included."""
        try:
            recover(self.stack, self.fleet, accept)
            self.stack.apply("https://template", {}, accept=accept)
        except DeploymentFailed as refusal:
            self.said.append(str(refusal))
        return "\n".join(self.said)

    def destroy(self) -> list[Resource]:
        return destroy(self.stack, self.fleet)


@pytest.mark.parametrize(
    "status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"]
)
def test_a_stack_that_cannot_be_updated_is_deleted_and_created_again(status: str) -> None:
    operator = Operator(CloudFormation(status, states=[*DELETED, *CREATED]))
    said = operator.deploy()
    assert operator.aws.status == "CREATE_COMPLETE"
    assert (operator.aws.kind, operator.aws.calls) == ("CREATE", ["delete", "execute"])
    assert f"s is in {status}: deleting it" in said
    assert "20 to 40 minutes" in said


def test_a_failed_state_that_is_not_recovered_is_refused_by_aws() -> None:
    aws = CloudFormation("ROLLBACK_FAILED")
    with pytest.raises(Exception, match="can not be updated"):
        Stack(aws, "s", pause=lambda: None).apply("https://template", {})


@pytest.mark.parametrize("status", ["ROLLBACK_FAILED", "DELETE_FAILED"])
def test_what_aws_fails_to_delete_is_kept_and_named_only_after_a_deletion_failed(
    status: str,
) -> None:
    states = [*NOT_DELETED, *DELETED, *CREATED]
    aws = CloudFormation(status, states=states, failing=[[IN_USE], [IN_USE]])
    aws.events = [event("FunctionGroup", GROUP, "DELETE_SKIPPED")]
    operator = Operator(aws)
    said = operator.deploy()
    assert aws.calls == ["delete", "delete -FunctionGroup", "execute"]
    assert "FunctionGroup (AWS::EC2::SecurityGroup): resource sg-1 has a dependent object" in said
    assert "aws ec2 delete-security-group --group-id id-of-FunctionGroup" in said


def test_what_depends_on_a_kept_resource_is_kept_too() -> None:
    vpc = event("Network", "AWS::EC2::VPC", "DELETE_FAILED", "has dependencies")
    states = [*NOT_DELETED, *NOT_DELETED, *DELETED, *CREATED]
    aws = CloudFormation("ROLLBACK_COMPLETE", states=states, failing=[[IN_USE], [vpc]])
    Operator(aws).deploy()
    assert aws.calls == ["delete", "delete -FunctionGroup", "delete -Network", "execute"]


def test_a_deletion_that_makes_no_progress_ends_with_its_reasons() -> None:
    states = [*NOT_DELETED, *NOT_DELETED, *NOT_DELETED]
    aws = CloudFormation("ROLLBACK_FAILED", states=states, failing=[[IN_USE]] * 4)
    said = Operator(aws).deploy()
    assert aws.calls == ["delete", "delete -FunctionGroup"]
    assert "s ended in DELETE_FAILED:\n  FunctionGroup (AWS::EC2::SecurityGroup)" in said


@pytest.mark.parametrize("kind", NEVER_LEFT)
def test_a_stack_is_not_deleted_without_what_costs_or_has_a_fixed_name(kind: str) -> None:
    failed = event("Nat", kind, "DELETE_FAILED", "may not be deleted")
    aws = CloudFormation("DELETE_FAILED", states=NOT_DELETED.copy(), failing=[[], [failed, IN_USE]])
    said = Operator(aws).deploy()
    assert (aws.status, aws.calls) == ("DELETE_FAILED", ["delete"])
    assert f"Nat ({kind}): may not be deleted" in said


def test_the_tables_that_a_failed_creation_leaves_are_named_with_how_to_delete_them() -> None:
    events = [event("JobsTable", TABLE, "DELETE_SKIPPED")]
    aws = CloudFormation("ROLLBACK_FAILED", states=[*DELETED, *CREATED], events=events)
    said = Operator(aws).deploy()
    assert "kept: id-of-JobsTable" in said
    assert "aws dynamodb delete-table --table-name id-of-JobsTable" in said


def test_a_roll_back_that_failed_is_not_continued_unasked_and_nothing_is_deleted() -> None:
    aws = CloudFormation("UPDATE_ROLLBACK_FAILED", failing=[[STUCK]])
    said = Operator(aws).deploy(["RunsTable"])
    assert aws.calls == []
    assert "Worker (AWS::Lambda::Function): Rate exceeded" in said
    assert "ACCEPT=continue-rollback" in said
    assert "20 to 40 minutes" in said


def test_a_roll_back_is_continued_if_that_is_accepted_and_then_the_stack_is_updated() -> None:
    states = ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", *UPDATED]
    aws = CloudFormation("UPDATE_ROLLBACK_FAILED", states=states, failing=[[STUCK]])
    Operator(aws).deploy(["continue-rollback"])
    assert (aws.status, aws.calls) == ("UPDATE_COMPLETE", ["continue", "execute"])


def test_a_roll_back_that_fails_again_names_what_could_be_skipped() -> None:
    states = ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
    aws = CloudFormation("UPDATE_ROLLBACK_FAILED", states=states, failing=[[STUCK], [STUCK]])
    said = Operator(aws).deploy(["continue-rollback"])
    assert aws.calls == ["continue"]
    assert "ACCEPT=continue-rollback,skip:Worker" in said


def test_only_the_resources_that_the_user_names_are_skipped() -> None:
    other = event("Runs", "AWS::Lambda::Function", "UPDATE_FAILED", "Rate exceeded")
    states = ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE", *UPDATED]
    aws = CloudFormation("UPDATE_ROLLBACK_FAILED", states=states, failing=[[STUCK, other]])
    Operator(aws).deploy(["continue-rollback", "skip:Worker", "RunsTable"])
    assert aws.calls == ["continue -Worker", "execute"]


def test_accepting_a_roll_back_does_nothing_to_a_stack_that_needs_none() -> None:
    aws = CloudFormation("CREATE_COMPLETE", states=UPDATED.copy())
    Operator(aws).deploy(["continue-rollback", "skip:Worker"])
    assert aws.calls == ["execute"]


def test_an_update_whose_roll_back_fails_says_how_to_go_on() -> None:
    states = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
    aws = CloudFormation("CREATE_COMPLETE", states=states, failing=[[STUCK]])
    assert "ACCEPT=continue-rollback" in Operator(aws).deploy()


def test_a_stack_that_another_operation_changes_is_left_alone() -> None:
    aws = CloudFormation("UPDATE_IN_PROGRESS", states=["UPDATE_IN_PROGRESS"] * 3)
    assert "under way (UPDATE_IN_PROGRESS)" in Operator(aws).deploy()
    assert aws.calls == []


def test_a_stack_that_was_only_planned_is_left_for_the_creation() -> None:
    aws = CloudFormation("REVIEW_IN_PROGRESS", states=["REVIEW_IN_PROGRESS"] * 3)
    operator = Operator(aws)
    recover(operator.stack, operator.fleet)
    assert aws.calls == []


def test_a_long_wait_says_the_status_when_it_changes_and_every_minute() -> None:
    states = [*["DELETE_IN_PROGRESS"] * 30, "GONE"]
    operator = Operator(CloudFormation("CREATE_COMPLETE", states=states))
    operator.stack.delete()
    assert operator.said == [f"   {minute} min  DELETE_IN_PROGRESS" for minute in range(3)]


def test_a_deployment_is_destroyed_despite_its_protection_and_names_what_stays() -> None:
    events = [event("JobsTable", TABLE, "DELETE_SKIPPED")] * 2
    aws = CloudFormation("UPDATE_COMPLETE", states=DELETED.copy(), events=events, protected=True)
    assert [each.id for each in Operator(aws).destroy()] == ["id-of-JobsTable"]
    assert aws.calls == ["unprotect", "delete"]


def test_a_deployment_whose_deletion_failed_is_destroyed_without_what_fails_again() -> None:
    states = [*NOT_DELETED, *DELETED]
    aws = CloudFormation("DELETE_FAILED", states=states, failing=[[IN_USE], [IN_USE]])
    aws.events = [event("JobsTable", TABLE, "DELETE_SKIPPED")]
    aws.events += [event("FunctionGroup", GROUP, "DELETE_SKIPPED")]
    left = Operator(aws).destroy()
    assert aws.calls == ["delete", "delete -FunctionGroup"]
    assert {each.name for each in left} == {"JobsTable", "FunctionGroup"}


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "DELETE_FAILED"])
def test_the_instances_are_terminated_before_their_subnets_are_deleted(status: str) -> None:
    states = {
        Operator.deploy: [*UPDATED] if status == "UPDATE_COMPLETE" else [*DELETED, *CREATED],
        Operator.destroy: [*DELETED],
    }
    for act in (Operator.deploy, Operator.destroy):
        operator = Operator(CloudFormation(status, states=states[act]))
        tags = [{"Key": "darkroom:fleet", "Value": "s"}, {"Key": "darkroom:number", "Value": "1"}]
        instance = {"InstanceId": "i-1", "Tags": tags, "State": {"Name": "running"}}
        operator.ec2.instances["i-1"] = instance
        act(operator)
        is_deleted = "delete" in operator.aws.calls
        assert (instance["State"] == {"Name": "terminated"}) == is_deleted
        assert ("Gpu1: terminating i-1" in operator.said) == is_deleted


def test_destroying_a_stack_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandFailed, match="There is no stack s in this account and region"):
        Operator(CloudFormation()).destroy()


def _has_fixed_name(resource: dict[str, Any]) -> bool:
    kind = resource.get("Type", "").split("::")[-1]
    names = {"Name", f"{kind}Name"} & resource.get("Properties", {}).keys()
    return any("AWS::StackId" not in str(resource["Properties"][name]) for name in names)


def test_nothing_that_is_left_has_a_name_that_the_next_stack_needs() -> None:
    named = {each.get("Type") for each in RESOURCES["Resources"].values() if _has_fixed_name(each)}
    assert named == {"AWS::SSM::Parameter", "AWS::CloudWatch::Dashboard"}
    assert named <= {*NEVER_LEFT}
