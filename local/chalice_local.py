"""`make chalice-local`: `chalice local` with the tables, queue, bucket and GPU of the running demo.

python -m local.chalice_local PORT [--demo FILE]
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local.stack.deploy import STACK
from local.stack.emulator import environment
from local.stack.processes import LOOPBACK, ROOT


def variables_of_the_api(functions: Any) -> dict[str, str]:
    """Return the environment variables of the demo's API function."""
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(f"{STACK}-APIHandler"):
                variables: dict[str, str] = function["Environment"]["Variables"]
                return variables
    raise SystemExit(f"The emulator has no API function of the stack {STACK}: run `make demo`")


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m local.chalice_local")
    options.add_argument("port")
    options.add_argument("--demo", type=Path, default=ROOT / ".local" / "demo.json")
    asked = options.parse_args()
    port = asked.port
    try:
        demo = json.loads(asked.demo.read_text())
        aws = environment(demo["api_url"].rpartition("/")[0])
        os.environ |= aws
        variables = variables_of_the_api(boto3.client("lambda"))
    except (FileNotFoundError, BotoCoreError, ClientError):
        raise SystemExit("No demo is running: start `make demo` in another terminal") from None
    print(f"  API  http://{LOOPBACK}:{port}/api/images/…\n  key  {demo['api_key']}\n", flush=True)
    chalice = Path(sys.executable).with_name("chalice")
    # The demo writes into the checkout all the time, and each write would restart the server.
    command = [str(chalice), "local", "--host", LOOPBACK, "--port", port, "--no-autoreload"]
    os.chdir(ROOT)
    own = {"API_URL": f"http://{LOOPBACK}:{port}"}
    os.execve(chalice, command, {**os.environ, **variables, **aws, **own})


if __name__ == "__main__":
    main()
