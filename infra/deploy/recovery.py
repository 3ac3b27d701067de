"""Bring a stack whose last operation failed into a state that can be deployed to."""

from collections.abc import Collection

from infra.deploy.fleet import Fleet
from infra.deploy.remedies import CONTINUE, NETWORK, REMEDIES, SKIP, TO_DELETE
from infra.deploy.stack import DeploymentFailed, Stack

_ROLLED_BACK_IN_PART = "UPDATE_ROLLBACK_FAILED"


def recover(stack: Stack, fleet: Fleet, accept: Collection[str] = ()) -> None:
    """Delete a stack that was never complete, or continue a roll-back if `accept` says so.

    Raise DeploymentFailed if the roll-back is not accepted or fails again, if something that is
    never left cannot be deleted, or if another operation is under way.
    """
    status = stack.status or ""
    if status in TO_DELETE:
        _delete(stack, fleet, status)
    elif status == _ROLLED_BACK_IN_PART:
        _continue(stack, accept)
    elif status.endswith("IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise DeploymentFailed(
            f"Another operation on {stack.name} is under way ({status}): wait until it ends, and"
            " deploy again"
        )


def _delete(stack: Stack, fleet: Fleet, status: str) -> None:
    stack.say(f"{stack.name} is in {status}: deleting it, to create it again. {NETWORK}.")
    fleet.shrink(0)
    for resource in stack.delete():
        stack.say(f"  kept: {resource.removal}")


def _continue(stack: Stack, accept: Collection[str]) -> None:
    if CONTINUE not in accept:
        raise DeploymentFailed(
            f"{stack.name} is in {_ROLLED_BACK_IN_PART}:\n{stack.failures()}\n"
            f"{REMEDIES[_ROLLED_BACK_IN_PART]}"
        )
    skipped = [each.removeprefix(SKIP) for each in accept if each.startswith(SKIP)]
    stack.say(f"Continuing the roll-back of {stack.name}. {NETWORK}.")
    try:
        stack.continue_rollback(skipped)
    except DeploymentFailed as failure:
        raise DeploymentFailed(f"{failure}{_skippable(stack)}") from failure


def _skippable(stack: Stack) -> str:
    """Offer to skip the resources that cannot be rolled back: that is never done unasked."""
    names = [each.name for each in stack.resources() if each.status == "UPDATE_FAILED"]
    if not names:
        return ""
    skips = ",".join(f"{SKIP}{name}" for name in names)
    return (
        f"\nIf the cause cannot be removed, ACCEPT={CONTINUE},{skips} continues without"
        f" {', '.join(names)}: they stay as they are now, until a deployment changes them"
    )
