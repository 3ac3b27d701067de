"""Builders of everything that has state, each made on first use; the only maker of clients."""

import secrets
import time
from functools import cache, partial
from secrets import SystemRandom
from typing import Any

import requests
from botocore.config import Config as ClientConfig
from botocore.session import Session, get_session

from chalicelib.config import config
from chalicelib.gateways.comfyui import ComfyUI
from chalicelib.gateways.gpu_fleet import GpuFleet, StaticFleet
from chalicelib.gateways.image_store import ImageStore
from chalicelib.gateways.job_queue import JobQueue
from chalicelib.services import status
from chalicelib.services.accounting import Accounting
from chalicelib.services.budget import Budget
from chalicelib.services.canceling import Cancellation
from chalicelib.services.clearing import Clearing
from chalicelib.services.dispatching import Dispatch
from chalicelib.services.driving import Driver
from chalicelib.services.fleet import Fleet
from chalicelib.services.generation import Generation
from chalicelib.services.keeping import Keeper
from chalicelib.services.readiness import Readiness
from chalicelib.services.scaling import Limits
from chalicelib.services.seeding import seed_once
from chalicelib.services.settling import Settling
from chalicelib.services.starting import Starter
from chalicelib.services.stopping import Stopping
from chalicelib.services.storing import Storing
from chalicelib.services.usage import Usage
from chalicelib.services.waking import Waker
from chalicelib.services.working import Worker

_CLIENT = ClientConfig(
    connect_timeout=2,
    read_timeout=10,
    retries={"total_max_attempts": 4, "mode": "standard"},
)

# EC2 calls its lack of capacity a server error, which would be tried again, and again. A request
# is accepted without EC2, but not before EC2 was given the time to answer.
_EC2: dict[str, Any] = {
    "read_timeout": 5,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}

# The keeper finds a job whose message is lost: nobody waits long for SQS to take one.
_SQS: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 3,
    "retries": {"total_max_attempts": 2, "mode": "standard"},
}

# Callers whose numbers are doubles, JavaScript's for one, read a larger seed wrongly.
_SEED_BITS = 53


@cache
def seed_catalogs() -> None:
    """See once per process that a new deployment has its first catalog items."""
    seed_once(now=time.time())


@cache
def images() -> ImageStore:
    return ImageStore(
        # Virtual: links lead to the bucket's own region, where the global address redirects.
        _client("s3", signature_version="s3v4", s3={"addressing_style": "virtual"}),
        _http(),
        config.images_bucket,
        base_url=config.image_base_url,
        url_seconds=config.image_url_seconds,
    )


@cache
def fleet() -> Fleet:
    gateway = _instances()
    return Fleet(
        gateway,
        partial(ComfyUI, http=_http(), clock=time.time),
        Readiness(config.checkpoint if config.warm_up else None, time.time),
        Starter(gateway, config.preferred_types, time.time, SystemRandom().random),
        Limits(config.fleet_max, config.scale_wait_seconds, config.idle_stop_seconds),
        budget(),
        time.time,
    )


@cache
def budget() -> Budget:
    # A ComfyUI that is not ours costs us nothing.
    dollars = None if config.comfyui_url else config.daily_budget
    return Budget(dollars, config.preferred_types, time.time)


@cache
def waker() -> Waker:
    return Waker(JobQueue(_remote("sqs", **_SQS), config.jobs_queue_url), time.time)


@cache
def dispatch() -> Dispatch:
    return Dispatch(fleet(), waker(), budget(), time.time)


@cache
def clearing() -> Clearing:
    return Clearing(fleet(), dispatch(), images(), time.time)


@cache
def driver() -> Driver:
    settling = Settling(Storing(images()), clearing(), time.time)
    return Driver(dispatch(), settling, clearing(), time.time)


@cache
def generation() -> Generation:
    return Generation(
        fleet(),
        driver(),
        waker(),
        budget(),
        checkpoint=config.checkpoint,
        clock=time.time,
        pause=time.sleep,
        random_seed=partial(secrets.randbits, _SEED_BITS),
    )


@cache
def cancellation() -> Cancellation:
    return Cancellation(clearing(), waker(), time.time)


@cache
def worker() -> Worker:
    return Worker(driver(), clearing(), waker(), time.time)


@cache
def keeper() -> Keeper:
    return Keeper(
        fleet(),
        dispatch(),
        driver(),
        waker(),
        _stopping(),
        clock=time.time,
    )


def _stopping() -> Stopping:
    return Stopping(
        fleet(),
        accounting(),
        budget(),
        idle_stop_seconds=config.idle_stop_seconds,
        boot_timeout_seconds=config.boot_timeout_seconds,
        max_run_seconds=config.max_run_seconds,
        clock=time.time,
    )


@cache
def accounting() -> Accounting:
    return Accounting(time.time)


@cache
def usage() -> Usage:
    return Usage(fleet(), time.time)


def comfyui_status() -> status.Status:
    return status.comfyui_status(fleet(), budget(), time.time())


def _instances() -> GpuFleet | StaticFleet:
    if config.comfyui_url:
        return StaticFleet(config.comfyui_url)
    return GpuFleet(_remote("ec2", **_EC2), tag=config.fleet_tag, port=config.comfyui_port)


@cache
def _http() -> requests.Session:
    http = requests.Session()
    http.trust_env = False  # no proxy stands between us and ComfyUI or S3
    return http


@cache
def _session() -> Session:
    return get_session()


def _client(name: str, **options: Any) -> Any:
    return _session().create_client(name, config=_CLIENT.merge(ClientConfig(**options)))


def _remote(name: str, **options: Any) -> Any:
    """Make a client of a service that has no gateway endpoint in our network: IPv6 leads there."""
    return _client(name, use_dualstack_endpoint=bool(config.dual_stack), **options)
