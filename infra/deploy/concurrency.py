"""How many functions an account runs at a time, and what follows for a deployment."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

# Lambda lets an account reserve only what leaves so many for its other functions.
_UNRESERVED = 100
_RECONCILER = 2  # resources/functions.yaml: ReservedConcurrentExecutions of the reconciler


def concurrency(functions: Any, before: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that depend on the account's limit, as it is now.

    `functions` is a client of Lambda; `before` has the parameters of the deployed stack, which
    stay where the limit may not be read (`lambda:GetAccountSettings`).
    """
    try:
        limit = functions.get_account_settings()["AccountLimit"]
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return {
            name: before[name] for name in ("SmallAccount", "ReserveReconciler") if name in before
        }
    reserved = _RECONCILER if before.get("ReserveReconciler") == "yes" else 0
    left = int(limit["UnreservedConcurrentExecutions"]) + reserved - _RECONCILER
    is_small = int(limit["ConcurrentExecutions"]) < _UNRESERVED
    return {"SmallAccount": _word(is_small), "ReserveReconciler": _word(left >= _UNRESERVED)}


def notice(parameters: Mapping[str, str]) -> str | None:
    """Say what a small account cannot do, if this is one."""
    if parameters.get("SmallAccount") != "yes":
        return None
    return (
        "This account may run fewer than 100 functions at a time: a request waits for its image"
        " for 5 seconds at most, then it is answered with its job, and 4 workers run at a time."
        " Ask AWS to raise the Lambda quota 'Concurrent executions', and deploy again."
    )


def _word(is_so: bool) -> str:  # noqa: FBT001 - a template has no truth values
    return "yes" if is_so else "no"
