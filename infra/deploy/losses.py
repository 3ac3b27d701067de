"""What a change set of CloudFormation would cost."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

# What holds data, or took a while to set up.
PRECIOUS = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::EC2::Instance")


class Loss(NamedTuple):
    """A precious resource by its name in the template, and what would happen to it."""

    name: str
    reason: str


def losses(changes: Iterable[dict[str, Any]]) -> Iterator[Loss]:
    """Yield what would be replaced or removed, or might be as far as CloudFormation can tell."""
    for change in (each["ResourceChange"] for each in changes if "ResourceChange" in each):
        if change["ResourceType"] in PRECIOUS and (reason := _reason(change)):
            yield Loss(change["LogicalResourceId"], reason)


def _reason(change: dict[str, Any]) -> str:
    if change["Action"] == "Add":
        return ""
    if change["Action"] != "Modify":
        return f"would go ({change['Action']})"
    if change.get("Replacement") == "False":
        return ""
    targets = {detail["Target"].get("Name", "") for detail in change.get("Details", [])}
    how = "would" if change.get("Replacement") == "True" else "might"
    return f"{how} be replaced: another {', '.join(sorted(targets - {''})) or 'definition'}"


def refusal(lost: Iterable[Loss]) -> str:
    """Say what is lost, and how to have it done all the same."""
    lost = list(lost)
    reasons = "".join(f"\n  {loss.name} {loss.reason}" for loss in lost)
    names = ",".join(loss.name for loss in lost)
    return (
        f"Nothing was changed, because of what would be lost:{reasons}\nIf it shall: ACCEPT={names}"
    )
