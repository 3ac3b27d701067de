"""Translate a template as CloudFormation does with SAM: its macro is the same library.

python tests/infra/translate.py TEMPLATE, in the emulator's environment: print the result.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template refers to no managed policy by its name."""

    def load(self) -> dict[str, str]:
        return {}


def main() -> None:
    template: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"
    json.dump(transform(template, {}, NoManagedPolicies()), sys.stdout)


if __name__ == "__main__":
    main()
