"""Create or update a deployment on AWS.

python -m infra.deploy STACK [--parameters "NAME=VALUE …"] [--accept NAME,…]
"""

import argparse
import sys

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy.comparison import compare_again
from infra.deploy.concurrency import notice
from infra.deploy.deployment import PACKAGE, Clients, deploy, pairs
from infra.deploy.stack import DeploymentFailed, Stack
from infra.deploy.store import Store
from infra.package import package


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m infra.deploy")
    options.add_argument("stack")
    options.add_argument("--parameters", default="")
    options.add_argument("--accept", default="")
    asked = options.parse_args()
    given = pairs(asked.parameters)
    session = boto3.Session()
    account = session.client("sts").get_caller_identity()["Account"]
    stack = Stack(session.client("cloudformation"), asked.stack)
    store = Store(session.client("s3"), account=account, region=str(session.region_name))
    clients = Clients(session.client("ec2"), session.client("ssm"), session.client("lambda"))
    print(
        f"Deploying {stack.name} to {session.region_name}, account {account}. Takes some minutes."
    )
    package(PACKAGE)
    changed = deploy(stack, store, clients, PACKAGE, given, accept=asked.accept.split(","))
    outputs = stack.outputs()
    compare_again(session.client("dynamodb"), outputs["SchedulesTableName"])
    print("Deployed" if changed else "Nothing to deploy: the stack is up to date")
    if said := notice(stack.chosen()):
        print(said)
    for name, value in outputs.items():
        print(f"  {name:20} {value}")


if __name__ == "__main__":
    try:
        main()
    except (DeploymentFailed, BotoCoreError, ClientError) as failure:
        sys.exit(str(failure))
