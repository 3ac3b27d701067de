"""What a deployment does if the account may run few functions at a time."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.concurrency import concurrency, notice


class Functions:
    """A Lambda that returns an account's limits."""

    def __init__(self, limit: int, unreserved: int | None = None) -> None:
        self.limit, self.unreserved = limit, limit if unreserved is None else unreserved

    def get_account_settings(self) -> dict[str, Any]:
        limits = {
            "ConcurrentExecutions": self.limit,
            "UnreservedConcurrentExecutions": self.unreserved,
        }
        return {"AccountLimit": limits}


def test_a_new_account_has_shorter_waits_and_reserves_nothing() -> None:
    made = concurrency(Functions(10), {})
    assert made == {"SmallAccount": "yes", "ReserveReconciler": "no"}
    assert "5 seconds" in str(notice(made))


def test_an_ordinary_account_reserves_functions_for_the_reconciler() -> None:
    made = concurrency(Functions(1000), {})
    assert made == {"SmallAccount": "no", "ReserveReconciler": "yes"}
    assert notice(made) is None


@pytest.mark.parametrize(("unreserved", "reserves"), [(101, "no"), (102, "yes")])
def test_nothing_is_reserved_if_less_than_100_would_stay_unreserved(
    unreserved: int, reserves: str
) -> None:
    assert concurrency(Functions(1000, unreserved), {})["ReserveReconciler"] == reserves


def test_an_existing_reservation_is_kept_if_100_stay_unreserved() -> None:
    before = {"ReserveReconciler": "yes"}
    assert concurrency(Functions(1000, 100), before)["ReserveReconciler"] == "yes"
    assert concurrency(Functions(1000, 99), before)["ReserveReconciler"] == "no"


def test_the_previous_choice_is_kept_if_the_limit_may_not_be_read() -> None:
    class Denied:
        def get_account_settings(self) -> None:
            error: Any = {"Error": {"Code": "AccessDeniedException"}}
            raise ClientError(error, "GetAccountSettings")

    before = {"SmallAccount": "yes", "FleetMax": "2"}
    assert concurrency(Denied(), before) == {"SmallAccount": "yes"}


def test_the_next_deployment_uses_a_limit_that_was_raised() -> None:
    before = {"SmallAccount": "yes", "ReserveReconciler": "no"}
    assert concurrency(Functions(1000), before) == {
        "SmallAccount": "no",
        "ReserveReconciler": "yes",
    }
