"""What a deployment does if the account may run few functions at a time."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deploy.concurrency import concurrency
from infra.deploy.stack import DeploymentFailed


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
    made = concurrency(Functions(10), {}, 1)
    assert (made["SmallAccount"], made["ReserveReconciler"]) == ("yes", "no")


def test_an_ordinary_account_reserves_functions_for_the_reconciler() -> None:
    made = concurrency(Functions(1000), {}, 1)
    assert (made["SmallAccount"], made["ReserveReconciler"]) == ("no", "yes")


@pytest.mark.parametrize(("unreserved", "reserves"), [(101, "no"), (102, "yes")])
def test_nothing_is_reserved_if_less_than_100_would_stay_unreserved(
    unreserved: int, reserves: str
) -> None:
    assert concurrency(Functions(1000, unreserved), {}, 1)["ReserveReconciler"] == reserves


def test_an_existing_reservation_is_kept_if_100_stay_unreserved() -> None:
    before = {"ReserveReconciler": "yes"}
    assert concurrency(Functions(1000, 100), before, 1)["ReserveReconciler"] == "yes"
    assert concurrency(Functions(1000, 99), before, 1)["ReserveReconciler"] == "no"


def test_the_previous_choice_is_kept_if_the_limit_may_not_be_read() -> None:
    class Denied:
        def get_account_settings(self) -> None:
            error: Any = {"Error": {"Code": "AccessDeniedException"}}
            raise ClientError(error, "GetAccountSettings")

    before = {"SmallAccount": "yes", "WorkerConcurrency": "5"}
    assert concurrency(Denied(), before, 7) == {
        "SmallAccount": "yes",
        "WorkerConcurrency": "10",
        "MostWorkerInvocations": "700",
    }


def test_the_next_deployment_uses_a_limit_that_was_raised() -> None:
    before = {"SmallAccount": "yes", "ReserveReconciler": "no", "WorkerConcurrency": "6"}
    made = concurrency(Functions(1000), before, 4)
    assert (made["SmallAccount"], made["ReserveReconciler"]) == ("no", "yes")
    assert made["WorkerConcurrency"] == "7"


@pytest.mark.parametrize(
    ("limit", "fleet_max", "places"),
    [(1000, 1, 5), (1000, 2, 5), (1000, 3, 6), (1000, 20, 23), (3000, 999, 1000)],
)
def test_workers_have_three_places_more_than_gpus_and_at_least_five(
    limit: int, fleet_max: int, places: int
) -> None:
    made = concurrency(Functions(limit), {}, fleet_max)
    assert made["WorkerConcurrency"] == str(places)


@pytest.mark.parametrize(("fleet_max", "places"), [(1, 5), (2, 5), (3, 6), (4, 6)])
def test_workers_leave_four_functions_of_a_new_account_to_others(
    fleet_max: int, places: int
) -> None:
    made = concurrency(Functions(10), {}, fleet_max)
    assert made["WorkerConcurrency"] == str(places)


def test_a_new_account_is_refused_a_fifth_gpu_with_the_reason_and_the_remedy() -> None:
    refusal = r"FleetMax=5 needs 7 workers .* may run 10 functions .* FleetMax=4 or less, or ask"
    with pytest.raises(DeploymentFailed, match=refusal):
        concurrency(Functions(10), {}, 5)


@pytest.mark.parametrize(("fleet_max", "most"), [(1, 500), (5, 500), (6, 600), (20, 2000)])
def test_the_alarm_allows_20_invocations_a_minute_for_each_gpu_and_at_least_100(
    fleet_max: int, most: int
) -> None:
    made = concurrency(Functions(1000), {}, fleet_max)
    assert made["MostWorkerInvocations"] == str(most)
