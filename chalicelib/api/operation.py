"""What a route promises. It registers the view, and the OpenAPI document shows it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from msgspec import Struct

from chalicelib.errors import DarkroomError
from chalicelib.models.keys.api_key import READ

BODY_LIMIT_BYTES = 256 * 1024


class Parameter(NamedTuple):
    """A parameter of the query, or a header of the request (`place`), which may be left out."""

    name: str
    type: Any
    description: str
    place: str = "query"


class Header(NamedTuple):
    """A header of an answer."""

    name: str
    description: str
    type: Any = str
    is_always_there: bool = True


class Link(NamedTuple):
    """An operation that an answer leads to: where each of its parameters is in the answer."""

    operation: str
    parameters: Mapping[str, str]


def links(parameter: str, pointer: str, *operations: str) -> tuple[Link, ...]:
    """Return links to operations whose parameter is in the body, at a JSON pointer."""
    return tuple(Link(each, {parameter: f"$response.body#{pointer}"}) for each in operations)


class Answer(NamedTuple):
    """An answer without an error; its body has one of the `types`, none without a body."""

    status: int
    types: Any
    description: str
    headers: tuple[Header, ...] = ()
    links: tuple[Link, ...] = ()

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The types that its body may have."""
        several = self.types if isinstance(self.types, tuple) else (self.types,)
        return tuple(each for each in several if each is not None)


class Operation(NamedTuple):
    """A method of a path; without a `summary` that is the docstring of its view.

    The first of the answers has the status of a view that returns only a body. `errors` are those
    that not every such route may answer. Each of the `examples` is a body that works.
    """

    id: str
    tag: str
    answers: tuple[Answer, ...]
    scope: str = READ
    body: type[Struct] | None = None
    body_bytes: int = BODY_LIMIT_BYTES
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[DarkroomError], ...] = ()
    examples: Mapping[str, Any] = MappingProxyType({})
    summary: str = ""

    @property
    def status(self) -> int:
        return self.answers[0].status
