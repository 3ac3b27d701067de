"""Whether Lambda has a runtime of this Python version.

python -m infra.runtime: end with a message if it has none. Older Pythons can run it, too.
"""

from __future__ import annotations

import sys

# The zip has bytecode, so the functions' runtime is the version that packages.
RUNTIMES = ("3.11", "3.12", "3.13", "3.14")

_ENDING = "3.11"


def version() -> str:
    """Return the version of this interpreter, such as 3.13."""
    return "{}.{}".format(*sys.version_info)


def refusal(version: str) -> str:
    """Return why this version cannot package; empty if it can."""
    if version in RUNTIMES:
        return ""
    return (
        f"Lambda has no runtime of Python {version}, but of {RUNTIMES[0]} to {RUNTIMES[-1]}: run"
        " `make clean`, and then the command again with one of these, as in `make demo"
        " PYTHON=python3.13`"
    )


def warning(version: str) -> str:
    """Return what to know about the runtime of this version; empty if nothing."""
    if version != _ENDING:
        return ""
    return (
        f"Warning: the runtime of Python {version} is based on Amazon Linux 2, and AWS creates no"
        " functions with it from July 2027 on. For a newer one run `make clean`, and then the"
        " command again with PYTHON=python3.13"
    )


if __name__ == "__main__":
    sys.exit(refusal(version()) or None)
