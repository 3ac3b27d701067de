"""`/api/images/usage`: images, GPU seconds and cost, by day, style or post."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from chalice.test import TestHTTPClient
from msgspec import structs

from chalicelib.bootstrap import services
from chalicelib.services.billing.prices import cost_of
from chalicelib.services.seeding import seed_once
from tests.api.calls import JOBS, generate, next_path, put_setting, send
from tests.api.contract import check_error
from tests.api.spending import (
    USAGE,
    book_instance,
    check_new,
    groups,
    noon,
    price,
    read,
    store_job,
    today,
)


@pytest.fixture
def fleet(http: TestHTTPClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment with one instance, in place of a ComfyUI at a fixed address."""
    inventory = SimpleNamespace(members=lambda: [SimpleNamespace(type="g5.xlarge")])
    monkeypatch.setattr(services(), "config", structs.replace(services().config, comfyui_url=""))
    monkeypatch.setattr(services(), "fleet", SimpleNamespace(inventory=inventory))


def test_a_new_deployment_shows_no_usage_for_the_last_thirty_days(
    http: TestHTTPClient, fleet: None
) -> None:
    found = read(http)
    assert found["total"].pop("always_on_cost") >= 0
    check_new(found, cost=0)


def test_executions_of_instances_are_not_added_to_the_booked_seconds(
    http: TestHTTPClient, fleet: None
) -> None:
    day = date(2026, 3, 1)
    book_instance(day, booting=90, busy=40, idle=20)
    store_job(day, 39.5)
    found = read(http, f"from={day}&to={day}&group_by=style")
    assert found["total"]["gpu_seconds"] == {"booting": 90, "busy": 40, "idle": 20}
    assert found["groups"][0]["gpu_seconds"] == {"booting": 90, "busy": 39.5, "idle": 20}


def test_images_count_on_the_day_of_their_request(http: TestHTTPClient, comfyui: str) -> None:
    for _ in range(2):
        assert generate(http).status_code == 200
    assert read(http)["total"]["images"] == 2
    assert read(http)["groups"][-1]["images"] == 2
    before = today() - timedelta(days=1)
    assert read(http, f"to={before}")["total"]["images"] == 0


def test_a_day_shows_the_seconds_and_the_cost_of_its_instances(http: TestHTTPClient) -> None:
    day = date(2026, 3, 1)
    book_instance(day, booting=90, busy=40, idle=20)
    store_job(day, 20)
    store_job(day, 20, images=3)
    found = read(http, f"from={day}&to={day}")
    [group] = found["groups"]
    always_on = found["total"].pop("always_on_cost")
    assert always_on is None
    assert group == {"key": "2026-03-01", **found["total"]}
    assert group["images"] == 4
    assert group["gpu_seconds"] == {"booting": 90, "busy": 40, "idle": 20}
    assert group["cost"] == price(150)
    assert group["cost_per_image"] == price(150 / 4)
    assert len(f"{group['cost']}".partition(".")[2]) <= 6


def test_a_period_includes_its_first_and_its_last_day(http: TestHTTPClient) -> None:
    for day in range(1, 6):
        store_job(date(2026, 3, day), 10)
    found = groups(http, "from=2026-03-02&to=2026-03-04")
    assert list(found) == ["2026-03-02", "2026-03-03", "2026-03-04"]


def test_booting_and_idle_time_is_split_among_styles_in_proportion_to_busy_time(
    http: TestHTTPClient,
) -> None:
    day = date(2026, 3, 1)
    book_instance(day, booting=80, busy=40, idle=40)
    store_job(day, 30, cost=cost_of("g5.xlarge", 30) or 0, style_id=7)
    store_job(day, 10, cost=cost_of("g5.xlarge", 10) or 0)
    found = groups(http, f"from={day}&to={day}&group_by=style")
    assert list(found) == [7, None]
    assert found[7]["gpu_seconds"] == {"booting": 60, "busy": 30, "idle": 30}
    assert found[None]["gpu_seconds"] == {"booting": 20, "busy": 10, "idle": 10}
    assert (found[7]["cost"], found[None]["cost"]) == (price(120), price(40))


def test_usage_by_post_includes_the_seconds_of_jobs_without_images(http: TestHTTPClient) -> None:
    day = date(2026, 3, 1)
    for post_id, images in (("a", 1), ("a", 1), ("b", 0)):
        store_job(day, 10, images=images, post_id=post_id)
    found = groups(http, f"from={day}&to={day}&group_by=post")
    images = {post_id: (each["images"], each["cost_per_image"]) for post_id, each in found.items()}
    assert images == {"a": (2, 0.01), "b": (0, None)}
    assert found["b"]["gpu_seconds"]["busy"] == 10


def test_a_type_without_a_known_price_costs_as_much_as_the_most_expensive_one(
    http: TestHTTPClient,
) -> None:
    day = date(2026, 3, 1)
    book_instance(day, booting=80, busy=40, idle=40, type_="x9.huge")
    found = read(http, f"from={day}&to={day}")
    assert found["total"]["cost"] == pytest.approx(160 * 3.06 / 3600, abs=2e-6)


def test_always_on_cost_counts_only_time_that_has_passed(http: TestHTTPClient, fleet: None) -> None:
    passed = datetime.now(UTC) - noon(today()) + timedelta(hours=12)
    cost = read(http, f"from={today()}&to={today()}")["total"]["always_on_cost"]
    assert cost == pytest.approx(passed.total_seconds() * 1.006 / 3600, abs=0.01)
    assert read(http, "from=2026-03-01&to=2026-03-02")["total"]["always_on_cost"] == 0
    later = today() + timedelta(days=5)
    assert read(http, f"from={later}&to={later}")["total"]["always_on_cost"] == 0


def test_always_on_cost_counts_from_the_day_of_the_first_deployment(
    http: TestHTTPClient, fleet: None
) -> None:
    seed_once(now=datetime(2026, 3, 2, 18, tzinfo=UTC).timestamp())
    for first in ("2026-02-01", "2026-03-02"):
        found = read(http, f"from={first}&to=2026-03-03")
        assert found["total"]["always_on_cost"] == 48 * 1.006


def test_pages_of_posts_have_the_order_of_the_whole_list(http: TestHTTPClient) -> None:
    day = date(2026, 3, 1)
    for number in range(7):
        store_job(day, 10 + number % 3, post_id=f"post-{number}")
    query = f"from={day}&to={day}&group_by=post"
    whole = read(http, query)
    assert len(whole["groups"]) == 7
    path, seen = f"{USAGE}?{query}&limit=3", []
    while path:
        response = http.get(path)
        seen.append(response.json_body["groups"])
        assert response.json_body["total"] == whole["total"]
        path = next_path(response) or ""
    assert [len(each) for each in seen] == [3, 3, 1]
    assert [group for groups in seen for group in groups] == whole["groups"]


@pytest.mark.parametrize("cursor", ["x", "LTE", "MS41", "OTk5OTk5OTk5OTk5"])
def test_an_invalid_cursor_is_refused(http: TestHTTPClient, cursor: str) -> None:
    check_error(http.get(f"{USAGE}?group_by=post&cursor={cursor}"), 400, "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2026-03-02&to=2026-03-01", "from"),
        ("from=2999-01-01", "from"),
        ("from=2026-02-29", "from"),
        ("from=20260301", "from"),
        ("from=", "from"),
        ("from=0001-01-01", "from"),
        ("to=yesterday", "to"),
        ("to=2026-13-01", "to"),
        ("from=2025-01-01&to=2026-01-02", "from"),
        ("group_by=caller", "group_by"),
        ("group_by=", "group_by"),
        ("days=7", "days"),
    ],
)
def test_an_invalid_query_is_refused_with_the_name_of_its_parameter(
    http: TestHTTPClient, query: str, field: str
) -> None:
    check_error(http.get(f"{USAGE}?{query}"), 400, field)


def test_a_period_may_be_a_whole_leap_year(http: TestHTTPClient) -> None:
    assert len(read(http, "from=2028-01-01&to=2028-12-31")["groups"]) == 366
    assert read(http, "to=2000-01-01")["from"] == "1999-12-03"
    assert len(read(http, "from=2999-12-31&to=2999-12-31")["groups"]) == 1


def test_usage_is_grouped_by_the_style_of_the_request(http: TestHTTPClient, comfyui: str) -> None:
    body = {"name": "mine", "description": "", "prompt_template": "ink"}
    style_id = send(http, "POST", "/api/images/styles", body).json_body["id"]
    generate(http, style_id=style_id)
    generate(http)
    found = groups(http, "group_by=style")
    assert {key: each["images"] for key, each in found.items()} == {style_id: 1, None: 1}


def test_a_job_shows_its_gpu_seconds_and_no_cost_if_the_price_is_unknown(
    http: TestHTTPClient, comfyui: str
) -> None:
    generate(http)
    [job] = http.get(JOBS).json_body
    assert 0 < job["gpu_seconds"] < 10
    assert job["gpu_cost"] is None


def test_a_job_that_never_reached_a_gpu_has_a_cost_of_zero(
    http: TestHTTPClient, comfyui: str
) -> None:
    put_setting(http, "default_checkpoint", "none.safetensors")
    check_error(generate(http), 500)
    [job] = http.get(JOBS).json_body
    assert (job["gpu_seconds"], job["gpu_cost"]) == (0, 0)
