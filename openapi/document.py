"""The OpenAPI 3.1 document of the API."""

from collections.abc import Iterator
from typing import Any

import app
from chalicelib.api.application import METHODS
from chalicelib.api.operation import Operation
from chalicelib.schemas.answers.errors import Error
from chalicelib.version import VERSION
from openapi.operations import operation_object, shared_errors
from openapi.pages import PAGES
from openapi.prose import DESCRIPTION, TAGS
from openapi.schemas import Schema, components

# The function that serves the document puts the deployment's own URL here.
SERVER = "https://api.example.com/live"


def document() -> Schema:
    """Return the document, made of the routes that are registered."""
    routes = [*registered()]
    operations = [operation for _, _, operation, _ in routes]
    paths: dict[str, Schema] = {}
    for path, method, operation, docstring in routes:
        paths.setdefault(path, {})[method.lower()] = operation_object(path, operation, docstring)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Darkroom", "version": VERSION, "description": DESCRIPTION},
        "servers": [{"url": SERVER}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {**paths, **PAGES},
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key: `dk_…`."}
            },
            "responses": shared_errors(),
            "schemas": components(
                [each.body for each in operations if each.body],
                [
                    Error,
                    *(
                        kind
                        for each in operations
                        for answer in each.answers
                        for kind in answer.bodies
                    ),
                ],
            ),
        },
    }


def registered() -> Iterator[tuple[str, str, Operation, str | None]]:
    """Yield the path, the method, the operation and the docstring of each route with a view."""
    for path, methods in app.app.routes.items():
        for method in filter(methods.__contains__, METHODS):
            route = methods[method]
            view: Any = route.view_function
            if operation := getattr(view, "operation", None):
                yield path, method, operation, view.__doc__
