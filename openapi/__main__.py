"""Write the OpenAPI document: python -m openapi."""

import json
from pathlib import Path

from openapi.document import document

PATH = Path(__file__).parent.parent / "pages/openapi.json"


def written() -> str:
    """Return the document as it is committed."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(written())
