"""`/api/images/usage` with a ComfyUI at a fixed address, which has no price."""

from datetime import date, timedelta

import pytest
from chalice.test import TestHTTPClient

from tests.api.calls import JOBS, generate
from tests.api.spending import book_instance, check_new, price, read, store_job, today


def test_a_fixed_address_has_no_cost_even_before_its_first_job(http: TestHTTPClient) -> None:
    found = read(http)
    assert found["total"].pop("always_on_cost") is None
    check_new(found, cost=None)


@pytest.mark.parametrize("group_by", ["day", "style", "post"])
def test_executions_at_a_fixed_address_are_in_the_total_and_in_their_group_and_have_no_cost(
    http: TestHTTPClient, group_by: str
) -> None:
    store_job(today(), 600, cost=None, style_id=3, post_id="a")
    store_job(today(), 5, images=0, cost=None, style_id=3, post_id="a")
    found = read(http, f"group_by={group_by}&from={today()}")
    [group] = found["groups"]
    used = {
        "images": 1,
        "gpu_seconds": {"booting": 0, "busy": 605, "idle": 0},
        "cost": None,
        "cost_per_image": None,
    }
    assert {**group, "key": None} == {"key": None, **used}
    assert found["total"] == {**used, "always_on_cost": None}


def test_a_job_that_never_ran_at_a_fixed_address_has_no_cost(http: TestHTTPClient) -> None:
    store_job(today(), 0, images=0, cost=0, style_id=3)
    found = read(http, "group_by=style")
    assert [each["cost"] for each in [found["total"], *found["groups"]]] == [None, None]


def test_what_instances_cost_is_shown_after_a_change_to_a_fixed_address(
    http: TestHTTPClient,
) -> None:
    day = date(2026, 3, 1)
    book_instance(day, booting=90, busy=40, idle=20)
    found = read(http, f"from={day}&to={day + timedelta(days=1)}")
    assert found["total"]["cost"] == price(150)
    assert [each["cost"] for each in found["groups"]] == [price(150), None]


def test_an_image_made_at_a_fixed_address_counts_the_same_in_all_groupings(
    http: TestHTTPClient, comfyui: str
) -> None:
    assert generate(http).status_code == 200
    [job] = http.get(JOBS).json_body
    for group_by in ("day", "style", "post"):
        found = read(http, f"group_by={group_by}")
        assert found["total"]["gpu_seconds"]["busy"] == job["gpu_seconds"] > 0
        assert found["groups"][-1]["gpu_seconds"] == found["total"]["gpu_seconds"]
