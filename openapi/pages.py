"""The routes of the function that serves pages, which Chalice does not register."""

from openapi.schemas import Schema

_SHARED = {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in (429, 503)}


_UNCHANGED = {"description": "It has not changed since the version in `If-None-Match`."}


def _served(name: str, summary: str, description: str, *kinds: str, file: bool = False) -> Schema:
    """Return the path item of a text that needs no key, with the operations GET and HEAD."""
    schema = {"type": "object" if kinds == ("application/json",) else "string"}
    content = {"content": {kind: {"schema": schema} for kind in kinds}}
    about = {"description": description}
    missing = {"404": {"$ref": "#/components/responses/Error404"}} if file else {}

    def operation(prefix: str, answer: Schema) -> Schema:
        return {
            "operationId": f"{prefix}{name}",
            "summary": summary,
            "description": "It needs no key.",
            "tags": ["Documentation"],
            "security": [],
            "responses": {"200": answer, "304": _UNCHANGED, **missing, **_SHARED},
        }

    return {"get": operation("get", {**about, **content}), "head": operation("head", about)}


_FILE: Schema = {
    "name": "file",
    "in": "path",
    "required": True,
    "description": "The name of a file.",
    "schema": {"type": "string", "minLength": 1, "examples": ["init.js"]},
}

PAGES: dict[str, Schema] = {
    "/api/images/openapi.json": _served(
        "Document",
        "Read this document",
        "The document, with the URL of this deployment.",
        "application/json",
    ),
    "/api/images/docs": _served(
        "DocumentationPage", "Read this document as a page", "The page.", "text/html"
    ),
    "/api/images/docs/{file}": {
        "parameters": [_FILE],
        **_served(
            "PageFile",
            "Read a file of the page",
            "The file.",
            "text/javascript",
            "text/css",
            "text/plain",
            file=True,
        ),
    },
}
