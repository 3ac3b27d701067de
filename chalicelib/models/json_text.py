"""A table attribute that holds JSON."""

import json
from typing import Any

from pynamodb.attributes import Attribute
from pynamodb.constants import STRING


class JsonText(Attribute[Any]):
    """A value as JSON in UTF-8: DynamoDB charges by the byte, and an escaped emoji has twelve."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        return as_text(value)

    def deserialize(self, value: str) -> Any:
        return json.loads(value)


def as_text(value: Any) -> str:
    """Return a value as JSON; an unpaired surrogate, which UTF-8 cannot encode, becomes `?`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace").decode()
