"""What a deployment does where the account may run few functions at a time."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.concurrency import concurrency, notice


class Functions:
    """Lambda, as far as it tells an account's limit."""

    def __init__(self, limit: int, unreserved: int | None = None) -> None:
        self.limit, self.unreserved = limit, limit if unreserved is None else unreserved

    def get_account_settings(self) -> dict[str, Any]:
        told = {
            "ConcurrentExecutions": self.limit,
            "UnreservedConcurrentExecutions": self.unreserved,
        }
        return {"AccountLimit": told}


def test_a_new_account_waits_for_less_and_reserves_nothing() -> None:
    made = concurrency(Functions(10), {})
    assert made == {"SmallAccount": "yes", "ReserveReconciler": "no"}
    assert "5 seconds" in str(notice(made))


def test_an_ordinary_account_reserves_functions_for_the_reconciler() -> None:
    made = concurrency(Functions(1000), {})
    assert made == {"SmallAccount": "no", "ReserveReconciler": "yes"}
    assert notice(made) is None


@pytest.mark.parametrize(("unreserved", "reserves"), [(101, "no"), (102, "yes")])
def test_nothing_is_reserved_that_would_leave_less_than_100(unreserved: int, reserves: str) -> None:
    assert concurrency(Functions(1000, unreserved), {})["ReserveReconciler"] == reserves


def test_what_is_reserved_already_stays_so() -> None:
    before = {"ReserveReconciler": "yes"}
    assert concurrency(Functions(1000, 100), before)["ReserveReconciler"] == "yes"
    assert concurrency(Functions(1000, 99), before)["ReserveReconciler"] == "no"


def test_where_the_limit_may_not_be_read_all_stays_as_it_was() -> None:
    class Denied:
        def get_account_settings(self) -> None:
            error: Any = {"Error": {"Code": "AccessDeniedException"}}
            raise ClientError(error, "GetAccountSettings")

    before = {"SmallAccount": "yes", "FleetMax": "2"}
    assert concurrency(Denied(), before) == {"SmallAccount": "yes"}


def test_a_limit_that_was_raised_is_found_at_the_next_deployment() -> None:
    before = {"SmallAccount": "yes", "ReserveReconciler": "no"}
    assert concurrency(Functions(1000), before) == {
        "SmallAccount": "no",
        "ReserveReconciler": "yes",
    }
