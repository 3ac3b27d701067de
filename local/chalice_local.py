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
from local.stack.emulator import ACCESS_KEY, REGION, SECRET_KEY
from local.stack.processes import LOOPBACK, ROOT


def environment(demo: dict[str, str], port: str) -> dict[str, str]:
    """Return the environment variables of the demo's API function, and where its AWS is."""
    aws = {
        "AWS_ENDPOINT_URL": demo["api_url"].rpartition("/")[0],
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }
    functions = boto3.client(
        "lambda",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    variables = _variables(functions)
    return {**variables, **aws, "API_URL": f"http://{LOOPBACK}:{port}"}


def _variables(functions: Any) -> dict[str, str]:
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
        variables = environment(demo, port)
    except (FileNotFoundError, BotoCoreError, ClientError):
        raise SystemExit("No demo is running: start `make demo` in another terminal") from None
    print(f"  API  http://{LOOPBACK}:{port}/api/images/…\n  key  {demo['api_key']}\n", flush=True)
    chalice = Path(sys.executable).with_name("chalice")
    # The demo writes into the checkout all the time, and each write would restart the server.
    command = [str(chalice), "local", "--host", LOOPBACK, "--port", port, "--no-autoreload"]
    os.chdir(ROOT)
    os.execve(chalice, command, {**os.environ, **variables})


if __name__ == "__main__":
    main()
