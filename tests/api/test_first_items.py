"""The first items of a new deployment: written once, then changed and deleted like any other."""

import json
from typing import Any

from chalice.test import TestHTTPClient

from chalicelib import bootstrap
from chalicelib.models.catalogs.catalog import CATALOGS, SETTINGS, STYLES
from tests.api.calls import generate, send
from tests.api.samples import Sample, each_catalog


def restart() -> None:
    """Clear the cache of this process, which a new Lambda process does not have."""
    bootstrap.seed_catalogs.cache_clear()


def lists(http: TestHTTPClient) -> dict[str, Any]:
    return {each.name: http.get(f"/api/images/{each.name}").json_body for each in CATALOGS}


@each_catalog
def test_a_new_deployment_has_items_from_id_1_on(http: TestHTTPClient, sample: Sample) -> None:
    items = http.get(sample.path).json_body
    assert len(items) >= 5
    assert [item["id"] for item in items] == list(range(1, len(items) + 1))


@each_catalog
def test_the_first_items_are_valid_bodies(http: TestHTTPClient, sample: Sample) -> None:
    for item in http.get(sample.path).json_body:
        body = {name: value for name, value in item.items() if name != "id"}
        response = send(http, "PUT", f"{sample.path}/{item['id']}", body)
        assert response.status_code == 200, response.body


def test_the_first_items_are_written_once(http: TestHTTPClient) -> None:
    before = lists(http)
    restart()
    assert lists(http) == before


@each_catalog
def test_deleted_first_items_are_not_written_again(http: TestHTTPClient, sample: Sample) -> None:
    for item in http.get(sample.path).json_body:
        http.delete(f"{sample.path}/{item['id']}")
    restart()
    assert http.get(sample.path).json_body == []


def test_changed_first_items_are_not_overwritten(http: TestHTTPClient) -> None:
    body = {"name": "Mine", "description": "", "prompt_template": "mine"}
    http.get("/api/images/styles")
    send(http, "PUT", "/api/images/styles/1", body)
    restart()
    assert http.get("/api/images/styles/1").json_body == {"id": 1, **body}


def test_the_first_items_are_not_written_into_a_catalog_with_items(http: TestHTTPClient) -> None:
    style = {"name": "Mine", "description": "", "prompt_template": "mine"}
    setting = {"name": "default_width", "value": "128", "description": ""}
    STYLES.create(style)
    SETTINGS.create(setting)
    for _ in range(2):
        restart()
        assert http.get("/api/images/styles").json_body == [{"id": 1, **style}]
        assert http.get("/api/images/settings").json_body == [{"id": 1, **setting}]


def test_the_names_of_the_first_settings_cannot_be_used_again(http: TestHTTPClient) -> None:
    body = {"name": "default_width", "value": "64", "description": ""}
    assert send(http, "POST", "/api/images/settings", body).status_code == 400


def test_the_first_request_of_a_new_deployment_can_generate_an_image(
    http: TestHTTPClient, comfyui: str
) -> None:
    response = generate(http, style_id=1)
    assert response.status_code == 200, response.body
    first = lists(http)
    template = first["styles"][0]["prompt_template"]
    assert response.json_body["metadata"]["prompt"] == template.replace("{prompt}", "a lighthouse")
    defaults = {each["name"]: each["value"] for each in first["settings"]}
    assert response.json_body["metadata"]["steps"] == json.loads(defaults["default_steps"])
