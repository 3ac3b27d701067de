"""The account's limit of concurrent functions, and the parameters that depend on it."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

# Lambda refuses a reservation that leaves fewer than this for the account's other functions.
_UNRESERVED = 100
_RECONCILER = 2  # resources/functions.yaml: ReservedConcurrentExecutions of the reconciler


def concurrency(functions: Any, before: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that depend on the account's present limit.

    `functions` is a client of Lambda; `before` has the parameters of the deployed stack, which
    are kept if the caller may not read the limit (`lambda:GetAccountSettings`).
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
    """Return a message about the limits of a small account; None if the account is not small."""
    if parameters.get("SmallAccount") != "yes":
        return None
    return (
        "This account may run fewer than 100 functions at a time. A request therefore waits at most"
        " 5 seconds for its image before it is answered with its job, and at most 4 workers run at"
        " a time. To lift this, ask AWS to raise the Lambda quota 'Concurrent executions', and"
        " deploy again."
    )


def _word(is_so: bool) -> str:  # noqa: FBT001 - templates have no booleans
    return "yes" if is_so else "no"
