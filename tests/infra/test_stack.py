"""A deployment succeeds or says why not; it never loses data or instances without consent."""

from collections.abc import Collection
from typing import Any

import pytest

from infra.deploy.stack import DeploymentFailed, Stack
from tests.infra.cloud import CloudFormation, change, event

TABLE, BUCKET = "AWS::DynamoDB::Table", "AWS::S3::Bucket"
FUNCTION = "AWS::Lambda::Function"
STACK = "AWS::CloudFormation::Stack"


def apply(cloudformation: CloudFormation, accept: Collection[str] = ()) -> bool:
    stack = Stack(cloudformation, "s", pause=lambda: None)
    return stack.apply("https://template", {}, accept=accept)


def refused(*changes: Any, accept: Collection[str] = ()) -> str:
    cloudformation = CloudFormation("CREATE_COMPLETE", changes=list(changes))
    with pytest.raises(DeploymentFailed) as refusal:
        apply(cloudformation, accept)
    assert cloudformation.calls == ["forget"]
    return str(refusal.value)


def test_the_first_deployment_creates_the_stack() -> None:
    cloudformation = CloudFormation()
    assert apply(cloudformation)
    assert (cloudformation.kind, cloudformation.calls) == ("CREATE", ["execute"])


def test_the_next_deployment_updates_the_stack() -> None:
    states = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]
    cloudformation = CloudFormation("CREATE_COMPLETE", states=states)
    assert apply(cloudformation)
    assert (cloudformation.kind, cloudformation.calls) == ("UPDATE", ["execute"])


def test_a_stack_that_was_only_planned_is_created() -> None:
    cloudformation = CloudFormation("REVIEW_IN_PROGRESS", states=[])
    cloudformation.states = ["REVIEW_IN_PROGRESS"] * 3 + ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
    assert apply(cloudformation)
    assert cloudformation.kind == "CREATE"


@pytest.mark.parametrize(
    "reason",
    ["No updates are to be performed.", "The submitted information didn't contain changes."],
)
def test_without_changes_nothing_is_done(reason: str) -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE", reason=reason)
    assert not apply(cloudformation)
    assert cloudformation.calls == ["forget"]


def test_the_reason_why_a_template_is_refused_is_shown() -> None:
    with pytest.raises(DeploymentFailed, match="refuses the template: Invalid template"):
        apply(CloudFormation("CREATE_COMPLETE", reason="Invalid template"))


def test_a_change_that_would_replace_a_table_is_refused() -> None:
    said = refused(change("JobsTable", TABLE, Replacement="True", by=["KeySchema"]))
    assert "JobsTable would be replaced: changed KeySchema" in said
    assert "ACCEPT=JobsTable" in said


def test_a_change_that_might_replace_a_table_is_refused() -> None:
    said = refused(change("RunsTable", TABLE, Replacement="Conditional", by=["KeySchema", "Tags"]))
    assert "RunsTable might be replaced: changed KeySchema, Tags" in said


@pytest.mark.parametrize("action", ["Remove", "Dynamic"])
def test_a_change_that_would_remove_the_bucket_is_refused(action: str) -> None:
    assert "ImagesBucket would be removed" in refused(
        change("ImagesBucket", "AWS::S3::Bucket", action)
    )


def test_a_loss_is_found_on_any_page_of_changes() -> None:
    harmless = change("Reconciler", "AWS::Lambda::Function", Replacement="False")
    said = refused(harmless, change("KeysTable", TABLE, "Remove"))
    assert "KeysTable" in said
    assert "Reconciler" not in said


def test_accepting_one_loss_does_not_accept_another() -> None:
    lost = [change(name, TABLE, "Remove") for name in ("RunsTable", "KeysTable")]
    assert "ACCEPT=KeysTable" in refused(*lost, accept=["RunsTable"])
    cloudformation = CloudFormation("CREATE_COMPLETE", changes=lost)
    cloudformation.states = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert apply(cloudformation, ["RunsTable", "KeysTable"])


@pytest.mark.parametrize(
    "harmless",
    [
        change("JobsTable", TABLE, Replacement="False", by=["TimeToLiveSpecification"]),
        change("Uploads", BUCKET, "Add"),
        change("Roles", "AWS::IAM::Role", Replacement="True"),
        {"Type": "Hook"},
    ],
)
def test_changes_that_lose_nothing_need_no_acceptance(harmless: Any) -> None:
    states = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
    assert apply(CloudFormation("CREATE_COMPLETE", changes=[harmless], states=states))


def test_a_failed_deployment_lists_its_causes_in_order() -> None:
    events = [
        event("s", STACK, "ROLLBACK_COMPLETE"),
        event("Runs", FUNCTION, "CREATE_FAILED", "Resource creation cancelled"),
        event("Reconciler", "AWS::Lambda::Function", "CREATE_FAILED", "no such role"),
        event("Worker", FUNCTION, "CREATE_FAILED", "The runtime is not supported"),
        event("s", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
        event("Old", TABLE, "CREATE_FAILED", "of an earlier time"),
    ]
    states = ["CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    with pytest.raises(DeploymentFailed) as failure:
        apply(CloudFormation(states=states, events=events))
    assert str(failure.value).splitlines() == [
        "s ended in ROLLBACK_COMPLETE:",
        "  Worker (AWS::Lambda::Function): The runtime is not supported",
        "  Reconciler (AWS::Lambda::Function): no such role",
        "Remove the cause, and deploy again: the command deletes the failed stack first",
    ]
