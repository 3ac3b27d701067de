"""A request that a machine makes, and the answer to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """An HTTP request, whose body has arrived."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]  # the names in lower case
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the value of a header; empty if there is none."""
        return self.headers.get(name.lower(), "")

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path).lstrip("/")

    @property
    def query_string(self) -> str:
        return urlsplit(self.target).query

    def query(self, name: str) -> str:
        """Return a parameter of the query; empty if there is none."""
        return parse_qs(self.query_string).get(name, [""])[0]


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=dict)
