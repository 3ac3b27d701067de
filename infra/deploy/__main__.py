"""Create or update a deployment on AWS.

python -m infra.deploy STACK [--parameters "NAME=VALUE …"] [--accept NAME,…]
"""

import argparse
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from infra import aws
from infra.deploy.choices import offers, zones
from infra.deploy.comparison import compare_again
from infra.deploy.deployment import (
    PACKAGE,
    Clients,
    decided,
    deploy,
    intended,
    kept_by,
    pairs,
    size_of,
)
from infra.deploy.fleet import Fleet, Notes, Setting
from infra.deploy.instances import Instances
from infra.deploy.recovery import recover
from infra.deploy.stack import DeploymentFailed, Stack
from infra.deploy.store import Store
from infra.doctor.account_checks import AccountChecks
from infra.doctor.lines import STOP, table
from infra.package import package
from infra.template import declared

say = partial(print, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.deploy")
    options.add_argument("stack")
    options.add_argument("--parameters", default="")
    options.add_argument("--accept", default="")
    asked = options.parse_args()
    account = aws.connect()
    stack = Stack(account.client("cloudformation"), asked.stack, say=say)
    carry_out(account, stack, _packed, pairs(asked.parameters), asked.accept.split(","))


def _packed() -> Path:
    package(PACKAGE)
    return PACKAGE


def carry_out(
    account: aws.Account,
    stack: Stack,
    pack: Callable[[], Path],
    given: Mapping[str, str],
    accept: Collection[str] = (),
) -> bool:
    """Deploy the package that `pack` makes, and launch the instances that are missing.

    Return whether the stack changed. Raise DeploymentFailed if there is no API that works, or if
    an instance is missing. All that can be refused is refused before anything changes.
    """
    before, template = kept_by(stack), declared()
    whole = intended(template, given, before)
    _examine(account, stack, whole)
    packed = pack()
    clients = Clients(*map(account.client, ("ec2", "ssm", "lambda", "kms")))
    parameters = decided(template, given, before, clients)
    fleet = Fleet(Instances(clients.ec2, stack.name), stack.say)
    fleet.check(size_of(whole), accept)
    recover(stack, fleet, accept)
    store = Store(account.client("s3"), account=account.id, region=account.region)
    stack.say(f"Deploying {stack.name}. Takes some minutes.")
    changed = deploy(stack, store, packed, parameters, accept)
    stack.say("Deployed" if changed else "Nothing to deploy: the stack is up to date")
    outputs = stack.outputs()
    compare_again(account.client("dynamodb"), outputs["SchedulesTableName"])
    for name, value in outputs.items():
        stack.say(f"  {name:22} {value}")
    _fill(account, fleet, stack, {**whole, **parameters}, outputs)
    return changed


def _examine(account: aws.Account, stack: Stack, parameters: Mapping[str, str]) -> None:
    """Say what the account and region have; raise DeploymentFailed if no API would work."""
    lines = AccountChecks(account, stack.name, parameters).lines()
    for row in table(lines):
        stack.say(row)
    if stops := [each for each in lines if each.state == STOP]:
        raise DeploymentFailed(
            f"Nothing was deployed, because of: {', '.join(each.what for each in stops)}"
        )


def _fill(
    account: aws.Account,
    fleet: Fleet,
    stack: Stack,
    parameters: Mapping[str, str],
    outputs: Mapping[str, str],
) -> None:
    """Launch and terminate instances, until there are as many as FleetSize says."""
    size, setting = size_of(parameters), Setting.of(stack.ids(), parameters)
    ec2 = account.client("ec2")
    offered = offers(setting.types, zones(ec2), ec2) if size else {}
    fleet.shrink(size)
    notes = Notes(account.client("dynamodb"), outputs["FleetTableName"])
    fleet.grow(size, setting, offered, notes)


if __name__ == "__main__":
    aws.run(main)
