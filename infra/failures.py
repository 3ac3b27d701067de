"""Say in one sentence why a command failed, and what to do about it."""

import re
import subprocess
import traceback
from collections.abc import Iterator
from pathlib import Path

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError


class CommandFailed(Exception):
    """A command was refused or failed; the message says why, and what to do."""


_LOG_IN = "log in with `aws sso login`, or choose other credentials with AWS_PROFILE"
_REFUSED = (
    "AWS does not accept these credentials in {region}: check AWS_PROFILE or AWS_ACCESS_KEY_ID, and"
    " whether {region} must be enabled for the account first"
)
_EXPIRED = f"The AWS credentials have expired: {_LOG_IN}"
_TOO_FAST = "AWS limits how fast the account may call it: wait a minute, and run the command again"
_CLOCK = "The clock of this machine is wrong: set it, and run the command again"
_NOT_ENABLED = (
    "The AWS account may not use {region}, or one of its services, yet: enable it on the account"
    " page of AWS, or set AWS_REGION to another region"
)

# Codes of AWS's errors, of all services.
_CODES = {
    **dict.fromkeys(("AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId"), _REFUSED),
    **dict.fromkeys(("InvalidToken", "UnrecognizedClientException"), _REFUSED),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("RequestExpired", "RequestTimeTooSkewed"), _CLOCK),
    **dict.fromkeys(("OptInRequired", "SubscriptionRequiredException"), _NOT_ENABLED),
    **dict.fromkeys(("Throttling", "ThrottlingException", "ThrottledException"), _TOO_FAST),
    **dict.fromkeys(("RequestLimitExceeded", "TooManyRequestsException", "SlowDown"), _TOO_FAST),
    **dict.fromkeys(("ProvisionedThroughputExceededException",), _TOO_FAST),
    "SignatureDoesNotMatch": (
        "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID, or the clock of this machine"
        " is wrong: check both"
    ),
}
_DENIED = ("AccessDenied", "UnauthorizedOperation", "UnauthorizedException", "403", "Forbidden")

# The first that matches is used. {detail} is the exception's own text.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (
        exceptions.NoRegionError,
        "No AWS region is set: set AWS_REGION, for example AWS_REGION=eu-west-1, or the region of"
        " the AWS profile",
    ),
    (
        exceptions.InvalidRegionError,
        "{detail}: set AWS_REGION to the name of a region, for example eu-west-1",
    ),
    (
        exceptions.NoCredentialsError,
        "No AWS credentials are found: run `aws configure` or `aws sso login`, or set AWS_PROFILE",
    ),
    (exceptions.PartialCredentialsError, f"{{detail}}: set what is missing, or {_LOG_IN}"),
    (exceptions.SSOError, f"{{detail}}: {_LOG_IN}"),
    (exceptions.LoginError, "{detail}: log in with `aws login`"),
    (exceptions.TokenRetrievalError, f"{{detail}}: {_LOG_IN}"),
    (exceptions.NoAuthTokenError, f"{{detail}}: {_LOG_IN}"),
    (exceptions.CredentialRetrievalError, f"{{detail}}: {_LOG_IN}"),
    (
        exceptions.ProfileNotFound,
        "{detail}: check AWS_PROFILE; `aws configure list-profiles` lists the profiles",
    ),
    (exceptions.ConfigParseError, "{detail}: correct this file"),
    (
        exceptions.ConnectionError,
        "{detail}: check the network, and the name of the region (AWS_REGION)",
    ),
    (
        exceptions.HTTPClientError,
        "{detail}: check the network and the proxy, and run the command again",
    ),
)


def explain(error: BaseException, region: str = "the region") -> str:
    """Return one sentence, with a remedy, for any exception of a command."""
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, CommandFailed):
            return str(cause)
        if isinstance(cause, ClientError):
            return _answer(cause, region)
        if isinstance(cause, BotoCoreError):
            return _kind(cause)
    if isinstance(error, subprocess.CalledProcessError):
        return _program(error)
    return _unexpected(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception and those that it wraps; PynamoDB's name theirs `cause`."""
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _answer(error: ClientError, region: str) -> str:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code.startswith(_DENIED):
        return _denied(error.operation_name, message)
    if code in _CODES:
        return f"{_CODES[code].format(region=region)} ({code})"
    return f"AWS refuses {error.operation_name} with {code}: {_line(message) or 'no reason given'}"


def _denied(operation: str, message: str) -> str:
    """Name the action: AWS's message has it, with its service, as a policy must name it."""
    action = re.search(r"not authorized to perform: ([\w:*-]+)", message)
    plain = _line(message.partition("Encoded authorization failure message")[0])
    reason = re.search(r"(because|with an explicit deny) .*", plain)
    return (
        f"These AWS credentials may not call {action[1] if action else operation}"
        f"{f', {reason[0]}' if reason else ''}: allow the action, or choose other credentials with"
        " AWS_PROFILE"
    )


def _kind(error: BotoCoreError) -> str:
    for kind, text in _KINDS:
        if isinstance(error, kind):
            return text.format(detail=_line(str(error)))
    return f"{_line(str(error))}: check the settings of AWS ({type(error).__name__})"


def _program(error: subprocess.CalledProcessError) -> str:
    """Return the last line that the program wrote, which says what is wrong."""
    output = error.stderr or error.output or b""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    lines = text.strip().splitlines()
    command = error.cmd if isinstance(error.cmd, str) else " ".join(map(str, error.cmd[:2]))
    return f"{command} failed: {lines[-1] if lines else f'status {error.returncode}'}"


def _unexpected(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" at {Path(each.filename).name}, line {each.lineno}" for each in frame)
    return f"Unexpected {type(error).__name__}{place}: {_line(str(error)) or 'no reason given'}"


def _line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")
