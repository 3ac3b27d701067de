"""`/api/v1/posts/{post_id}`: several images in one request, and the list of a post's images."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from chalice.test import HTTPResponse, TestHTTPClient

from tests.api.calls import all_items, generate, graph_of, pages, path_of, picture, send
from tests.api.contract import check_error
from tests.conftest import Messages

SMALL = {"prompt": "a barn", "width": 64, "height": 72}
VALID_IDS = ["1", "a" * 128, "2024-05-01_launch.v2", "urn:post:7", "A~b"]
INVALID_IDS = [
    "a" * 129,
    "a b",
    "a%20b",
    "a%2Fb",
    "..",
    ".",
    ".a",
    "-a",
    "~a",
    "é",
    "a*b",
    "a\n",
    "%2e",
]


def ask(http: TestHTTPClient, post_id: str = "7", prefer: str = "", **wanted: Any) -> HTTPResponse:
    path = f"/api/v1/posts/{quote(post_id, safe='%~:')}/generate_images"
    return send(http, "POST", path, {**SMALL, **wanted}, prefer=prefer)


def listed(http: TestHTTPClient, post_id: str = "7") -> Any:
    response = http.get(f"/api/v1/posts/{post_id}/images")
    assert response.status_code == 200, response.body
    return response.json_body


def unsigned(urls: list[str]) -> list[str]:
    """Return URLs without their signatures, which differ in every response."""
    return [url.partition("?")[0] for url in urls]


def test_the_response_has_exactly_the_image_urls(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    response = ask(http, count=3)
    assert response.status_code == 200, response.body
    assert response.json_body.keys() == {"image_urls"}
    urls = response.json_body["image_urls"]
    assert len(set(unsigned(urls))) == 3
    assert [picture(url).size for url in urls] == [(64, 72)] * 3


def test_images_of_one_request_have_different_seeds(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    urls = ask(http, count=4, seed=2**64 - 2).json_body["image_urls"]
    seeds = [graph_of(url)["3"]["inputs"]["seed"] for url in urls]
    assert seeds == [2**64 - 2, 2**64 - 1, 0, 1]
    assert len({picture(url).tobytes() for url in urls}) == 4


def test_a_post_without_count_gets_one_image(http: TestHTTPClient, comfyui: str) -> None:
    assert len(ask(http).json_body["image_urls"]) == 1


def test_a_post_lists_its_images(http: TestHTTPClient, comfyui: str, working: None) -> None:
    urls = ask(http, count=3, seed=10).json_body["image_urls"]
    images = listed(http)
    assert sorted(unsigned([image["image_url"] for image in images])) == sorted(unsigned(urls))
    assert sorted(image["metadata"]["seed"] for image in images) == [10, 11, 12]
    for image in images:
        assert image.keys() == {"id", "image_url", "job_id", "created_at", "metadata"}
        assert datetime.fromisoformat(image["created_at"]).utcoffset() is not None
        job = http.get(f"/api/images/jobs/{image['job_id']}").json_body
        assert job["post_id"] == "7"
        assert http.get(f"/api/images/files/{image['id']}").status_code == 302


def test_a_post_does_not_list_images_of_other_posts_or_of_no_post(
    http: TestHTTPClient, comfyui: str
) -> None:
    [url] = ask(http, "7").json_body["image_urls"]
    ask(http, "70")
    generate(http)
    assert unsigned([image["image_url"] for image in listed(http, "7")]) == unsigned([url])
    assert len(listed(http, "70")) == 1
    assert listed(http, "0") == []


def test_a_style_applies_to_all_images_of_a_request(http: TestHTTPClient, comfyui: str) -> None:
    assert ask(http, count=2, style_id=1).status_code == 200
    prompts = {image["metadata"]["prompt"] for image in listed(http)}
    assert len(prompts) == 1
    assert prompts != {"a barn"}
    assert "a barn" in prompts.pop()


def test_an_asynchronous_request_returns_its_jobs(
    http: TestHTTPClient, comfyui: str, sent: Messages
) -> None:
    response = ask(http, prefer="respond-async", count=3, seed=1)
    assert response.status_code == 202
    assert response.json_body.keys() == {"jobs"}
    jobs = response.json_body["jobs"]
    assert [(job["status"], job["post_id"], job["seed"]) for job in jobs] == [
        ("queued", "7", 1),
        ("queued", "7", 2),
        ("queued", "7", 3),
    ]
    assert path_of(response.headers["Location"]) == f"/api/images/jobs/{jobs[0]['id']}"
    assert response.headers["Retry-After"].isdigit()
    assert response.headers["Preference-Applied"] == "respond-async"
    assert len(sent) == 1  # one follower takes them all
    assert listed(http) == []


def test_a_count_is_accepted_from_one_to_eight(http: TestHTTPClient, comfyui: str) -> None:
    for count in range(1, 9):
        jobs = ask(http, prefer="respond-async", count=count).json_body["jobs"]
        assert len({job["seed"] for job in jobs}) == count


def test_any_other_count_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    for count in (0, 9, -1, 1.5, 9.0, "2", True, [2], 2**64):
        check_error(ask(http, count=count), 400, "count")
    assert http.get("/api/images/jobs").json_body == []


def test_invalid_and_unknown_fields_are_refused(http: TestHTTPClient, comfyui: str) -> None:
    check_error(ask(http, steps=0), 400, "steps")
    check_error(ask(http, post_id="7", style_id=999), 400, "style_id")
    details = check_error(ask(http, images=2), 400, "images")
    assert "count" in details["suggestion"]


def test_usual_post_ids_are_accepted(http: TestHTTPClient, comfyui: str) -> None:
    for post_id in VALID_IDS:
        assert ask(http, post_id).status_code == 200
        assert len(listed(http, post_id)) == 1


def test_an_invalid_post_id_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    for post_id in INVALID_IDS:
        check_error(ask(http, post_id), 400, "post_id")
        path = f"/api/v1/posts/{quote(post_id, safe='%')}/images"
        check_error(http.get(path), 400, "post_id")
    assert http.get("/api/images/jobs").json_body == []


def test_pages_of_a_post_return_every_image_once_oldest_first(
    http: TestHTTPClient, comfyui: str, working: None
) -> None:
    for count in (3, 1, 3):
        ask(http, count=count)
    ask(http, "8")
    whole = [image["id"] for image in listed(http)]
    assert len(whole) == 7
    assert whole == sorted(whole)
    for limit in (1, 3, 7):
        path = f"/api/v1/posts/7/images?limit={limit}"
        assert [image["id"] for image in all_items(http, path)] == whole
        assert len(list(pages(http, path))) == -(-7 // limit)


def test_an_invalid_limit_or_cursor_is_refused(http: TestHTTPClient) -> None:
    check_error(http.get("/api/v1/posts/7/images?limit=0"), 400, "limit")
    check_error(http.get("/api/v1/posts/7/images?cursor=!"), 400, "cursor")
