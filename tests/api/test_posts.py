"""`/api/v1/posts/{post_id}`: several images at once, and those a post has."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from chalice.test import HTTPResponse, TestHTTPClient

from tests.api.calls import everything, generate, graph_of, pages, path_of, picture, send
from tests.api.contract import check_error
from tests.conftest import Messages

SMALL = {"prompt": "a barn", "width": 64, "height": 72}
GOOD_IDS = ["1", "a" * 128, "2024-05-01_launch.v2", "urn:post:7", "A~b"]
BAD_IDS = [
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


def bare(urls: list[str]) -> list[str]:
    """Leave out signatures, which are made anew at every answer."""
    return [url.partition("?")[0] for url in urls]


def test_the_answer_has_exactly_the_links(http: TestHTTPClient, comfyui: str) -> None:
    response = ask(http, count=3)
    assert response.status_code == 200, response.body
    assert response.json_body.keys() == {"image_urls"}
    urls = response.json_body["image_urls"]
    assert len(set(bare(urls))) == 3
    assert [picture(url).size for url in urls] == [(64, 72)] * 3


def test_images_of_one_request_have_different_seeds(http: TestHTTPClient, comfyui: str) -> None:
    urls = ask(http, count=4, seed=2**64 - 2).json_body["image_urls"]
    seeds = [graph_of(url)["3"]["inputs"]["seed"] for url in urls]
    assert seeds == [2**64 - 2, 2**64 - 1, 0, 1]
    assert len({picture(url).tobytes() for url in urls}) == 4


def test_a_post_without_count_gets_one_image(http: TestHTTPClient, comfyui: str) -> None:
    assert len(ask(http).json_body["image_urls"]) == 1


def test_images_are_recorded_under_their_post(http: TestHTTPClient, comfyui: str) -> None:
    urls = ask(http, count=3, seed=10).json_body["image_urls"]
    images = listed(http)
    assert sorted(bare([image["image_url"] for image in images])) == sorted(bare(urls))
    assert sorted(image["metadata"]["seed"] for image in images) == [10, 11, 12]
    for image in images:
        assert image.keys() == {"id", "image_url", "job_id", "created_at", "metadata"}
        assert datetime.fromisoformat(image["created_at"]).utcoffset() is not None
        job = http.get(f"/api/images/jobs/{image['job_id']}").json_body
        assert job["post_id"] == "7"
        assert http.get(f"/api/images/files/{image['id']}").status_code == 302


def test_images_of_other_posts_and_of_none_are_not_listed(
    http: TestHTTPClient, comfyui: str
) -> None:
    [url] = ask(http, "7").json_body["image_urls"]
    ask(http, "70")
    generate(http)
    assert bare([image["image_url"] for image in listed(http, "7")]) == bare([url])
    assert len(listed(http, "70")) == 1
    assert listed(http, "0") == []


def test_a_style_holds_for_all_images(http: TestHTTPClient, comfyui: str) -> None:
    assert ask(http, count=2, style_id=1).status_code == 200
    prompts = {image["metadata"]["prompt"] for image in listed(http)}
    assert len(prompts) == 1
    assert prompts != {"a barn"}
    assert "a barn" in prompts.pop()


def test_an_asynchronous_post_is_answered_with_its_jobs(
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
    assert len(sent) == 3
    assert listed(http) == []


def test_a_count_is_accepted_from_one_to_eight(http: TestHTTPClient, comfyui: str) -> None:
    for count in range(1, 9):
        jobs = ask(http, prefer="respond-async", count=count).json_body["jobs"]
        assert len({job["seed"] for job in jobs}) == count


def test_any_other_count_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    for count in (0, 9, -1, 1.5, 2.0, "2", True, None, [2], 2**64):
        check_error(ask(http, count=count), 400, "count")
    assert http.get("/api/images/jobs").json_body == []


def test_a_post_takes_the_fields_of_an_image_and_no_others(
    http: TestHTTPClient, comfyui: str
) -> None:
    check_error(ask(http, steps=0), 400, "steps")
    check_error(ask(http, post_id="7", style_id=999), 400, "style_id")
    details = check_error(ask(http, images=2), 400, "images")
    assert "count" in details["suggestion"]


def test_a_post_id_may_be_any_of_the_usual_ones(http: TestHTTPClient, comfyui: str) -> None:
    for post_id in GOOD_IDS:
        assert ask(http, post_id).status_code == 200
        assert len(listed(http, post_id)) == 1


def test_a_post_id_that_is_none_is_refused(http: TestHTTPClient, comfyui: str) -> None:
    for post_id in BAD_IDS:
        check_error(ask(http, post_id), 400, "post_id")
        path = f"/api/v1/posts/{quote(post_id, safe='%')}/images"
        check_error(http.get(path), 400, "post_id")
    assert http.get("/api/images/jobs").json_body == []


def test_pages_of_a_post_give_every_image_once_oldest_first(
    http: TestHTTPClient, comfyui: str
) -> None:
    for count in (3, 1, 3):
        ask(http, count=count)
    ask(http, "8")
    whole = [image["id"] for image in listed(http)]
    assert len(whole) == 7
    assert whole == sorted(whole)
    for limit in (1, 3, 7):
        path = f"/api/v1/posts/7/images?limit={limit}"
        assert [image["id"] for image in everything(http, path)] == whole
        assert len(list(pages(http, path))) == -(-7 // limit)


def test_a_bad_page_of_a_post_is_refused(http: TestHTTPClient) -> None:
    check_error(http.get("/api/v1/posts/7/images?limit=0"), 400, "limit")
    check_error(http.get("/api/v1/posts/7/images?cursor=!"), 400, "cursor")
