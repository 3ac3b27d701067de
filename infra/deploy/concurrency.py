"""The account's limit of concurrent functions, and the parameters that depend on it."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.workers import workers

# Lambda refuses a reservation that leaves fewer than this for the account's other functions.
_UNRESERVED = 100
_RECONCILER = 2  # resources/functions.yaml: ReservedConcurrentExecutions of the reconciler


def concurrency(functions: Any, before: Mapping[str, str], fleet_max: int) -> dict[str, str]:
    """Return the parameters that depend on the account's present limit.

    `functions` is a client of Lambda; `before` has the parameters of the deployed stack, which
    are kept if the caller may not read the limit (`lambda:GetAccountSettings`). Raise
    DeploymentFailed if the limit is too low for the workers of `fleet_max` GPUs.
    """
    limit = _limit(functions)
    if limit is None:
        kept = {
            name: before[name] for name in ("SmallAccount", "ReserveReconciler") if name in before
        }
        return {**kept, **workers(fleet_max)}
    reserved = _RECONCILER if before.get("ReserveReconciler") == "yes" else 0
    free = int(limit["UnreservedConcurrentExecutions"]) + reserved
    return {
        "SmallAccount": _word(int(limit["ConcurrentExecutions"]) < _UNRESERVED),
        "ReserveReconciler": _word(free - _RECONCILER >= _UNRESERVED),
        **workers(fleet_max, free),
    }


def _limit(functions: Any) -> Mapping[str, Any] | None:
    """Return the account's limits; None if the caller may not read them."""
    try:
        found: Mapping[str, Any] = functions.get_account_settings()["AccountLimit"]
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return None
    return found


def _word(is_so: bool) -> str:  # noqa: FBT001 - templates have no booleans
    return "yes" if is_so else "no"
