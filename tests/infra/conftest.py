"""Instances before and after their first start."""

from pathlib import Path

import pytest

from tests.infra.instance import Instance


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


@pytest.fixture
def ready(instance: Instance) -> Instance:
    said = instance.first_start()
    assert instance.code == 0, said
    return instance
