"""The outputs and parameters of a deployed stack."""

from typing import Any, NamedTuple

from infra.deploy.stack import Stack
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
    found = Stack(cloudformation, stack)
    if (status := found.status) is None:
        raise absent(stack)
    outputs = found.outputs()
    if not outputs:  # as long as the stack is created, and when that failed
        raise CommandFailed(
            f"The stack {stack} is not complete ({status}): wait until its deployment ends, or"
            " deploy again if that failed"
        )
    return Deployed(stack, outputs, found.parameters())


def absent(stack: str) -> CommandFailed:
    """Return the failure of a command that needs a stack that does not exist."""
    return CommandFailed(
        f"There is no stack {stack} in this account and region: check STAGE, AWS_PROFILE and"
        " AWS_REGION"
    )
