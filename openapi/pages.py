"""The routes of the function that serves pages, which Chalice does not register."""

from openapi.schemas import Schema

_PUBLIC: Schema = {"tags": ["Documentation"], "security": []}


def _text(description: str, kind: str) -> Schema:
    return {"description": description, "content": {kind: {"schema": {"type": "string"}}}}


PAGES: dict[str, Schema] = {
    "/api/images/openapi.json": {
        "get": {
            "operationId": "getDocument",
            "summary": "Read this document",
            **_PUBLIC,
            "responses": {
                "200": {
                    "description": "The document, with the URL of this deployment.",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }
            },
        }
    },
    "/api/images/docs": {
        "get": {
            "operationId": "getDocumentationPage",
            "summary": "Read this document as a page",
            **_PUBLIC,
            "responses": {"200": _text("The page.", "text/html; charset=utf-8")},
        }
    },
}
