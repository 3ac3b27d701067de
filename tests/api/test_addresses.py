"""URLs of the API in its responses: absolute, with the host and path that the caller used."""

from chalice.test import HTTPResponse, TestHTTPClient

import app
from tests.api.calls import generate, next_path, path_of
from tests.api.gateway import BASE_URL, Event, event_of

STYLES = "/api/images/styles"


def first_page(**changed: object) -> HTTPResponse:
    event: Event = event_of("GET", STYLES, STYLES)
    event["multiValueQueryStringParameters"] = {"limit": ["2"]}
    return HTTPResponse.create_from_dict(app.app({**event, **changed}, None))


def test_urls_contain_the_stage_once(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http)
    job_id = response.headers["Location"].rpartition("/")[2]
    assert response.headers["Location"] == f"{BASE_URL}/api/images/jobs/{job_id}"
    following = next_path(http.get(f"{STYLES}?limit=2"))
    assert following
    assert following.startswith(f"{STYLES}?")


def test_urls_have_the_host_and_scheme_of_the_request(aws: None) -> None:
    headers = {"Host": "images.example.org:8443", "X-Forwarded-Proto": "http"}
    link = first_page(headers=headers).headers["Link"]
    assert link.startswith(f"<http://images.example.org:8443/live{STYLES}?")


def test_urls_under_a_custom_domain_have_its_base_path(aws: None) -> None:
    event = event_of("GET", STYLES, STYLES)
    for base in ("", "/v2"):
        context = {**event["requestContext"], "path": f"{base}{STYLES}"}
        link = first_page(requestContext=context, path=f"{base}{STYLES}").headers["Link"]
        assert link.startswith(f"<https://localhost{base}{STYLES}?")


def test_a_next_link_keeps_known_query_parameters_only(aws: None) -> None:
    query = {"limit": ["2"], "tag": ["a b&c=ü"]}
    link = first_page(multiValueQueryStringParameters=query).headers["Link"]
    assert "tag" not in link
    assert "limit=2" in link
    assert link.isascii()


def test_the_location_of_a_response_is_that_of_its_job(http: TestHTTPClient, comfyui: str) -> None:
    response = generate(http)
    assert http.get(path_of(response.headers["Location"])).status_code == 200
