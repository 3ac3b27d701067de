"""Items of the four catalogs, as they are stored (spec: Settings, Styles, Formats, Examples)."""

from typing import Annotated

from msgspec import Meta, Struct

Id = Annotated[int, Meta(description="The id of the item, which is never used twice.", ge=1)]


class StoredSetting(Struct, kw_only=True):
    """A setting."""

    id: Id
    name: str
    value: str
    description: str


class StoredStyle(Struct, kw_only=True):
    """A style."""

    id: Id
    name: str
    description: str
    prompt_template: Annotated[
        str, Meta(description="It replaces the prompt, which is put at `{prompt}`.")
    ]


class StoredFormat(Struct, kw_only=True):
    """A format."""

    id: Id
    name: str
    description: str
    width: int
    height: int


class StoredPromptExample(Struct, kw_only=True):
    """A prompt example."""

    id: Id
    title: str
    prompt: str
    category: str
