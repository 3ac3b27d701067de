"""The web origin in the answers of API Gateway to preflights: Chalice writes `*`."""

from collections.abc import Iterator, Mapping
from typing import Any

_HEADER = "method.response.header.Access-Control-Allow-Origin"
ORIGIN = {"Fn::Sub": "'${AllowedOrigin}'"}

Template = dict[str, Any]


def allow_origin(template: Template) -> None:
    """Make every preflight answer with the parameter AllowedOrigin."""
    for preflight in preflights(template).values():
        for response in preflight["x-amazon-apigateway-integration"]["responses"].values():
            response["responseParameters"][_HEADER] = ORIGIN


def preflights(template: Template) -> dict[str, Any]:
    """Return the OPTIONS methods by their paths."""
    return dict(_preflights(template))


def _preflights(template: Template) -> Iterator[tuple[str, Any]]:
    for path, methods in _document(template)["paths"].items():
        if "options" in methods:
            yield path, methods["options"]


def allowed_origin(template: Template, parameters: Mapping[str, str]) -> str:
    """Return the value of AllowedOrigin with these parameters."""
    default = template["Parameters"]["AllowedOrigin"]["Default"]
    return str(parameters.get("AllowedOrigin", default))


def redeploy_if_changed(template: Template, parameters: Mapping[str, str]) -> None:
    """Write the allowed origin into the API's description, so that a new one takes effect.

    SAM deploys an API again only if its document changes, and does not look at the values of
    parameters: with another AllowedOrigin, API Gateway would go on to answer with the old one.
    """
    origin = allowed_origin(template, parameters)
    _document(template)["info"]["description"] = f"For browsers at {origin}"


def _document(template: Template) -> Any:
    return template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
