"""The outputs and parameters of a deployed stack."""

from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from infra.failures import CommandFailed


class Deployed(NamedTuple):
    """What a stack returns, and what it was deployed with."""

    name: str
    outputs: dict[str, str]
    parameters: dict[str, str]

    def output(self, name: str) -> str:
        """Raise CommandFailed if the stack has no such output."""
        if name not in self.outputs:
            raise CommandFailed(
                f"The stack {self.name} has no output {name}: check that it is one of Darkroom, and"
                " deploy again"
            )
        return self.outputs[name]


def deployed(stack: str, cloudformation: Any) -> Deployed:
    """Raise CommandFailed if there is no such stack, or if it is not complete."""
    found = _described(stack, cloudformation)
    if not found.get("Outputs"):  # as long as the stack is created, and when that failed
        raise CommandFailed(
            f"The stack {stack} is not complete ({found['StackStatus']}): wait until its deployment"
            " ends, or deploy again if that failed"
        )
    return Deployed(
        stack,
        {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]},
        {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])},
    )


def _described(stack: str, cloudformation: Any) -> dict[str, Any]:
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise CommandFailed(
            f"There is no stack {stack} in this account and region: check STAGE, AWS_PROFILE and"
            " AWS_REGION"
        ) from error
    return dict(found)
