"""Whether an answer is one that the OpenAPI document promises."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

DOCUMENT = json.loads((Path(__file__).parents[2] / "pages/openapi.json").read_text())

Schema = dict[str, Any]


def check(method: str, path: str, answer: dict[str, Any]) -> None:
    """Check the status, the headers and the body of an answer; `path` is as it is registered."""
    promised = _response(method, path, answer["statusCode"])
    headers = {name.lower() for name in answer["headers"]}
    needed = [name for name, each in promised.get("headers", {}).items() if each["required"]]
    assert headers >= {name.lower() for name in needed}, (method, path, needed, headers)
    if "content" in promised:
        assert answer["headers"]["Content-Type"] == "application/json", (method, path)
        _validator(json.dumps(promised["content"]["application/json"]["schema"])).validate(
            json.loads(answer["body"])
        )
    else:
        assert answer["body"] == "", (method, path, answer["body"])


def _response(method: str, path: str, status: int) -> Schema:
    operation = DOCUMENT["paths"].get(path, {}).get(method.lower())
    if operation is None:  # a path or a method that is refused
        assert status in (401, 404, 405, 429, 500), (method, path, status)
        return {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    assert str(status) in operation["responses"], f"{method} {path} may not answer {status}"
    found: Schema = operation["responses"][str(status)]
    named = found.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][named] if named else found


@cache
def _validator(schema: str) -> jsonschema_rs.Validator:
    """Return a validator that also refuses fields that the document does not have."""
    return jsonschema_rs.validator_for({**json.loads(schema), "components": _closed()})


@cache
def _closed() -> Schema:
    components: Schema = deepcopy(DOCUMENT["components"])
    for schema in components["schemas"].values():
        schema.setdefault("additionalProperties", False)
    return components
