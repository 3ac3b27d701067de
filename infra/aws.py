"""The AWS account and region that a command uses, and how a command fails."""

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError, NoRegionError

from infra.failures import CommandFailed, explain

_INTERRUPTED = 130  # the status of programs that Ctrl-C ended


class Account(NamedTuple):
    """An AWS account, by its number, and a region of it."""

    id: str
    region: str
    session: boto3.Session

    def client(self, service: str, **options: str) -> Any:
        return self.session.client(service, **options)


def connect(region: str | None = None) -> Account:
    """Print which region and account the credentials are for, to standard error, and return both.

    The region is the given one, else AWS_REGION, AWS_DEFAULT_REGION or that of the profile, as
    AWS's CLI has it. Raise CommandFailed or an exception of botocore if one is missing or wrong.
    """
    region = region or os.environ.get("AWS_REGION")
    if region:
        # botocore, which PynamoDB and Chalice use, does not know AWS_REGION.
        os.environ["AWS_DEFAULT_REGION"] = region
    session = boto3.Session(region_name=region or None)
    if not session.region_name:
        raise NoRegionError
    account = Account(_number(session), session.region_name, session)
    print(f"Region {account.region}, account {account.id}", file=sys.stderr, flush=True)
    return account


def _number(session: boto3.Session) -> str:
    try:
        return str(session.client("sts").get_caller_identity()["Account"])
    except ClientError as error:
        raise CommandFailed(explain(error, f"region {session.region_name}")) from error


def run(main: Callable[[], None]) -> None:
    """Run a command; if it fails, end the process with one sentence instead of a traceback."""
    try:
        main()
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - no command shows a traceback
        sys.exit(explain(error))
