"""Requests for pages, as API Gateway passes them on to the function."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pages.serving import serve

DOCS = "/api/images/docs"
DOCUMENT = "/api/images/openapi.json"


class Answer(NamedTuple):
    """An answer, its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    address: str,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    base: str = "/live",
) -> Answer:
    """Send a request to a path of the API, with its query, at a stage or a base path."""
    path, _, query = address.partition("?")
    of_file = path.removeprefix(f"{DOCS}/").rstrip("/") if path.startswith(f"{DOCS}/") else ""
    answer = serve(
        {
            "resource": f"{DOCS}/{{file}}" if of_file else path.rstrip("/"),
            "path": path,
            "httpMethod": method,
            "headers": {"Host": "api.example", **(headers or {})},
            "queryStringParameters": dict([query.split("=")]) if query else None,
            "pathParameters": {"file": of_file} if of_file else None,
            "requestContext": {"path": f"{base}{path}"},
        },
        None,
    )
    found = {name.lower(): value for name, value in answer["headers"].items()}
    return Answer(answer["statusCode"], found, answer["body"])
