"""Print what an account and region have, and whether a deployed stack works; change nothing.

python -m infra.doctor STACK [--parameters "NAME=VALUE …"]

The environment variable KEY has an API key, with which the API is asked for its status.
"""

import argparse
import os
import sys
from collections.abc import Mapping

from infra import aws
from infra.deploy.deployment import intended, kept_by, pairs
from infra.deploy.stack import Stack
from infra.doctor.account_checks import AccountChecks
from infra.doctor.lines import PROBLEM, STOP, Line, table
from infra.doctor.stack_checks import StackChecks
from infra.template import declared


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.doctor")
    options.add_argument("stack")
    options.add_argument("--parameters", default="")
    asked = options.parse_args()
    given = pairs(asked.parameters)
    account = aws.connect()
    stack = Stack(account.client("cloudformation"), asked.stack)
    parameters = intended(declared(), given, kept_by(stack))
    lines = AccountChecks(account, stack.name, parameters).lines()
    lines += _deployed(account, stack, os.environ.get("KEY") or None)
    print(*table(lines), sep="\n")
    sys.exit(_status(lines))


def _deployed(account: aws.Account, stack: Stack, key: str | None) -> list[Line]:
    outputs: Mapping[str, str] = stack.outputs()
    if not outputs:
        return []
    return StackChecks(
        account,
        stack.name,
        outputs,
        stack.functions(),
        api_url=stack.parameters().get("ApiUrl", ""),
        key=key,
    ).lines()


def _status(lines: list[Line]) -> int:
    """Return the status of the process: 1 if something is wrong."""
    return int(any(each.state in (PROBLEM, STOP) for each in lines))


if __name__ == "__main__":
    aws.run(main)
