"""Find the resources that a change set of CloudFormation would replace or remove."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from infra.deploy.resource import BUCKET, TABLE

# They hold data. `infra/deploy/fleet.py` protects the instances.
PRECIOUS = (TABLE, BUCKET)


class Loss(NamedTuple):
    """The name of a precious resource in the template, and what would happen to it."""

    name: str
    reason: str


def losses(changes: Iterable[dict[str, Any]]) -> Iterator[Loss]:
    """Yield the precious resources that would, or might, be replaced or removed."""
    for change in (each["ResourceChange"] for each in changes if "ResourceChange" in each):
        if change["ResourceType"] in PRECIOUS and (reason := _reason(change)):
            yield Loss(change["LogicalResourceId"], reason)


def _reason(change: dict[str, Any]) -> str:
    if change["Action"] == "Add":
        return ""
    if change["Action"] != "Modify":
        return f"would be removed ({change['Action']})"
    if change.get("Replacement") == "False":
        return ""
    targets = {detail["Target"].get("Name", "") for detail in change.get("Details", [])}
    how = "would" if change.get("Replacement") == "True" else "might"
    return f"{how} be replaced: changed {', '.join(sorted(targets - {''})) or 'definition'}"


def refusal(lost: Iterable[Loss]) -> str:
    """Return a message that says what would be lost and how to accept that."""
    lost = list(lost)
    reasons = "".join(f"\n  {loss.name} {loss.reason}" for loss in lost)
    names = ",".join(loss.name for loss in lost)
    return (
        f"Nothing was changed, because this would be lost:{reasons}\n"
        f"To accept that, run the command again with ACCEPT={names}"
    )
