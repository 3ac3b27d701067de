"""Every failure of a command becomes one sentence that says what to do."""

import subprocess

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from pynamodb.exceptions import PutError

from infra.aws import run
from infra.deploy.store import Store
from infra.deployed import deployed
from infra.failures import CommandFailed, explain
from tests.infra.cloud import CloudFormation


def answer(code: str, message: str = "no", operation: str = "DescribeStacks") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


DENIED = (
    "User: arn:aws:iam::1:user/u is not authorized to perform: cloudformation:DescribeStacks on"
    " resource: arn:aws:cloudformation:r:1:stack/s/* because no identity-based policy allows the"
    " cloudformation:DescribeStacks action"
)
ENCODED = (
    "You are not authorized to perform this operation. User: arn:aws:iam::1:user/u is not"
    " authorized to perform: ec2:DescribeInstances because no identity-based policy allows the"
    " ec2:DescribeInstances action. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q"
)

FORBIDDEN = (
    "User: arn:aws:iam::1:user/u is not authorized to perform: s3:PutObject on resource:"
    ' "arn:aws:s3:::b/k" with an explicit deny in a service control policy'
)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("InvalidClientTokenId", "whether region eu-south-1 must be enabled"),
        ("UnrecognizedClientException", "does not accept these credentials in region eu-south-1"),
        ("AuthFailure", "check AWS_PROFILE or AWS_ACCESS_KEY_ID"),
        ("InvalidAccessKeyId", "check AWS_PROFILE or AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY does not belong"),
        ("ExpiredToken", "log in with `aws sso login`"),
        ("ExpiredTokenException", "log in with `aws sso login`"),
        ("RequestTimeTooSkewed", "clock of this machine"),
        ("OptInRequired", "enable it on the account page"),
        ("Throttling", "wait a minute"),
        ("RequestLimitExceeded", "wait a minute"),
    ],
)
def test_a_refusal_of_aws_has_its_remedy_and_its_code(code: str, remedy: str) -> None:
    said = explain(answer(code), "region eu-south-1")
    assert remedy in said
    assert said.endswith(f"({code})")


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (answer("AccessDenied", DENIED), "cloudformation:DescribeStacks, because no identity"),
        (answer("AccessDeniedException", DENIED), "cloudformation:DescribeStacks"),
        (answer("UnauthorizedOperation", ENCODED), "ec2:DescribeInstances, because no identity"),
        (answer("AccessDenied", FORBIDDEN), "s3:PutObject, with an explicit deny in a service"),
        (answer("AccessDenied", "Access Denied", "PutObject"), "PutObject: allow the action"),
        (answer("403", "Forbidden", "HeadBucket"), "HeadBucket: allow the action"),
    ],
)
def test_a_missing_right_is_named(error: ClientError, action: str) -> None:
    said = explain(error)
    assert f"These AWS credentials may not call {action}" in said
    assert "Encoded" not in said


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (exceptions.NoRegionError(), "AWS_REGION=eu-west-1"),
        (exceptions.NoCredentialsError(), "run `aws configure`"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="X"), "X: set what is"),
        (exceptions.ProfileNotFound(profile="x"), "(x) could not be found: check AWS_PROFILE"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.SSOTokenLoadError(error_msg="gone"), "aws sso login"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="gone"), "aws sso login"),
        (exceptions.CredentialRetrievalError(provider="p", error_msg="gone"), "aws sso login"),
        (exceptions.EndpointConnectionError(endpoint_url="https://sts.x"), "name of the region"),
        (exceptions.ConnectTimeoutError(endpoint_url="https://sts.x"), "check the network"),
        (exceptions.ReadTimeoutError(endpoint_url="https://sts.x"), "the network and the proxy"),
        (exceptions.ProxyConnectionError(proxy_url="http://p"), "check the network"),
        (exceptions.InvalidRegionError(region_name="a b"), "name of a region"),
        (exceptions.UnknownServiceError(service_name="x", known_service_names=""), "settings"),
    ],
)
def test_a_failure_before_aws_answers_has_its_remedy(error: Exception, remedy: str) -> None:
    said = explain(error)
    assert remedy in said
    assert "\n" not in said


def test_an_error_of_pynamodb_is_explained_by_its_cause() -> None:
    denied = answer("AccessDeniedException", DENIED.replace("cloudformation:Desc", "dynamodb:Desc"))
    assert "dynamodb:Desc" in explain(PutError("Failed to put item", denied))


def test_an_unforeseen_refusal_has_aws_s_own_words_in_one_line() -> None:
    said = explain(answer("TableInUseException", "Table is\n  in use."))
    assert said == "AWS refuses DescribeStacks with TableInUseException: Table is in use"


def test_a_program_that_failed_is_explained_by_its_last_line() -> None:
    error = subprocess.CalledProcessError(1, ["chalice", "package"], stderr=b"a\nNo space left\n")
    assert explain(error) == "chalice package failed: No space left"


def test_an_unforeseen_failure_names_its_place_and_its_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise KeyError("JobsQueueUrl")

    with pytest.raises(SystemExit) as ended:
        run(fail)
    said = str(ended.value.code)
    assert said.startswith("Unexpected KeyError at test_failures.py, line ")
    assert said.endswith(": 'JobsQueueUrl'")


def test_a_refusal_of_the_command_itself_is_said_as_it_is() -> None:
    assert explain(CommandFailed("Not now")) == "Not now"


def test_an_interrupted_command_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(interrupt)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "Interrupted\n"


def test_a_stack_that_does_not_exist_is_named() -> None:
    with pytest.raises(CommandFailed, match="no stack darkroom-x in this account and region"):
        deployed("darkroom-x", CloudFormation())


class ForbiddenBucket:
    """S3 with a bucket that another account owns, or that may not be read."""

    def head_bucket(self, **_: str) -> None:
        raise answer("403", "Forbidden", "HeadBucket")


def test_a_bucket_of_deployments_that_may_not_be_used_is_named() -> None:
    store = Store(ForbiddenBucket(), account="1", region="r")
    with pytest.raises(CommandFailed, match="darkroom-deployments-1-r may not be used"):
        store.make()


@pytest.mark.parametrize("status", ["CREATE_IN_PROGRESS", "ROLLBACK_COMPLETE"])
def test_a_stack_without_outputs_is_not_complete(status: str) -> None:
    aws = CloudFormation(status, states=[status])
    with pytest.raises(CommandFailed, match=rf"stack s is not complete \({status}\): wait"):
        deployed("s", aws)
