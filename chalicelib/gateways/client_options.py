"""Timeouts and retries of the clients of AWS."""

from typing import Any

from botocore.config import Config

CLIENT = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"total_max_attempts": 4, "mode": "standard"},
)

# EC2 reports a lack of capacity as a server error, which boto would retry. A request is accepted
# even if EC2 does not answer, but it waits for this timeout.
EC2: dict[str, Any] = {
    "read_timeout": 5,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}

# Short, because the reconciler finds a job whose message SQS did not accept.
SQS: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 3,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}

# Two calls, with their repetitions, take less time than a writer of a schedule has
# (CHANGE_SECONDS). The reconciler repeats what is not done by then.
SCHEDULER: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 4,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}

# Images. Virtual: links use the bucket's own region, as the global address redirects. That of
# us-east-1 is global unless it is asked for, and the pages allow regional ones only.
S3: dict[str, Any] = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
}

# Once a minute, until the report of a boot is there.
BOOT_REPORTS: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}
