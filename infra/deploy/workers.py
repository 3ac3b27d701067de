"""The parameters of the worker that follow from FleetMax: CloudFormation cannot compute them."""

from infra.deploy.stack import DeploymentFailed

_ACCOUNT = 1000  # Lambda's usual quota of concurrent functions

# A worker follows each GPU all the time that the GPU is on. Hand-overs and new jobs need more.
_NEEDED, _WANTED = 2, 3
_LEAST, _MOST = 5, 1000  # Lambda accepts at most 1000
_OTHERS = 4  # functions that stay free for requests, the reconciler and runs of schedules

_MINUTES = 5  # the period of WorkerInvocationsAlarm
# A worker that follows a GPU needs about 6 messages a minute. The rest is for new jobs.
_A_GPU, _LEAST_A_MINUTE = 20, 100


def workers(fleet_max: int, account: int = _ACCOUNT) -> dict[str, str]:
    """Return how many workers may run at a time, and how often they may run before the alarm.

    `account` is how many functions the account may run at a time. Raise DeploymentFailed if these
    are too few for the GPUs.
    """
    free = account - _OTHERS
    if free < fleet_max + _NEEDED:
        raise DeploymentFailed(_refusal(fleet_max, account))
    return {
        "WorkerConcurrency": str(min(free, _MOST, max(_LEAST, fleet_max + _WANTED))),
        "MostWorkerInvocations": str(_MINUTES * max(_LEAST_A_MINUTE, _A_GPU * fleet_max)),
    }


def _refusal(fleet_max: int, account: int) -> str:
    largest = account - _OTHERS - _NEEDED
    return (
        f"FleetMax={fleet_max} needs {fleet_max + _NEEDED} workers and {_OTHERS} other functions at"
        f" a time, and this account may run {account} functions at a time. Deploy"
        f" FleetMax={largest} or less, or ask AWS to raise the Lambda quota 'Concurrent"
        " executions', and deploy again"
    )
