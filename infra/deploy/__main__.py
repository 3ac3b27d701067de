"""Create or update a deployment on AWS.

python -m infra.deploy STACK [--parameters "NAME=VALUE …"] [--accept NAME,…]
"""

import argparse
from functools import partial

from infra.aws import connect, run
from infra.deploy.comparison import compare_again
from infra.deploy.concurrency import notice
from infra.deploy.deployment import PACKAGE, Clients, deploy, pairs
from infra.deploy.stack import Stack
from infra.deploy.store import Store
from infra.package import package


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.deploy")
    options.add_argument("stack")
    options.add_argument("--parameters", default="")
    options.add_argument("--accept", default="")
    asked = options.parse_args()
    given = pairs(asked.parameters)
    account = connect()
    stack = Stack(account.client("cloudformation"), asked.stack, say=partial(print, flush=True))
    store = Store(account.client("s3"), account=account.id, region=account.region)
    clients = Clients(account.client("ec2"), account.client("ssm"), account.client("lambda"))
    print(f"Deploying {stack.name}. Takes some minutes.", flush=True)
    package(PACKAGE)
    changed = deploy(stack, store, clients, PACKAGE, given, accept=asked.accept.split(","))
    outputs = stack.outputs()
    compare_again(account.client("dynamodb"), outputs["SchedulesTableName"])
    print("Deployed" if changed else "Nothing to deploy: the stack is up to date")
    if said := notice(stack.chosen()):
        print(said)
    for name, value in outputs.items():
        print(f"  {name:20} {value}")


if __name__ == "__main__":
    run(main)
