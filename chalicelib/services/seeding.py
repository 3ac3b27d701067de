"""The first catalog items of a new deployment: written once, and never over existing ones."""

import json
from pathlib import Path

from chalicelib.models.catalogs.catalog import begin_with, is_new

_FIRST_ITEMS = Path(__file__).with_name("first_items.json")


def seed_once(*, now: float) -> None:
    """Write the first items unless they were ever written before."""
    if is_new():
        begin_with(json.loads(_FIRST_ITEMS.read_text()), now=now)
