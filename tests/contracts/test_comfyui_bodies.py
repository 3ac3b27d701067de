"""A server's responses to bodies that contain no prompt."""

import pytest

from tests.contracts.graphs import flat
from tests.contracts.protocol import ComfyUI


@pytest.mark.parametrize("body", [{}, [1], {"client_id": "x"}])
def test_a_body_without_a_graph_is_refused(comfyui: ComfyUI, body: object) -> None:
    answer = comfyui.post("/prompt", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "no_prompt"
    assert answer.json()["node_errors"] == {}


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/free"])
@pytest.mark.parametrize("content", [b"", b"{", b"hello"])
def test_a_body_that_is_not_json_is_a_server_error(
    comfyui: ComfyUI, path: str, content: bytes
) -> None:
    answer = comfyui.post_raw(path, content)
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.startswith("500 Internal Server Error")


@pytest.mark.parametrize("fields", [{"prompt": None}, {"prompt": "x"}, {"number": "x"}])
def test_a_body_of_the_wrong_types_is_a_server_error(
    comfyui: ComfyUI, fields: dict[str, object]
) -> None:
    assert comfyui.post("/prompt", {"prompt": flat()} | fields).status_code == 500


def test_a_body_beyond_the_limit_is_too_large(comfyui: ComfyUI) -> None:
    limit = comfyui.get("/features").json()["max_upload_size"]
    answer = comfyui.post_raw("/prompt", b" " * (limit + 1))
    assert answer.status_code == 413
    assert answer.text == f"Maximum request body size {limit} exceeded."
