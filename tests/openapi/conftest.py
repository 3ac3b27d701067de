"""The package as it is deployed, for tools that read its OpenAPI document."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack, deployed, packaged

__all__ = ["packaged"]


@pytest.fixture(scope="session")
def stack(packaged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with deployed(packaged, tmp_path_factory.mktemp("stack")) as stack:
        yield stack
