"""The gateways of a deployment and their clients. `models/table.py` makes those of DynamoDB."""

import time
from functools import cached_property
from typing import Any

import requests
from botocore.config import Config as ClientConfig
from requests.adapters import HTTPAdapter

from chalicelib.config import Config
from chalicelib.gateways import client_options
from chalicelib.gateways.comfyui.client import ComfyUI
from chalicelib.gateways.ec2 import GpuFleet, StaticFleet
from chalicelib.gateways.s3 import BootReportStore, ImageStore
from chalicelib.gateways.scheduler import Route, Scheduler
from chalicelib.gateways.signed_links import SignedLinks
from chalicelib.gateways.sqs import MessageQueue, UndeliveredRuns
from chalicelib.models import table

_CONNECTIONS = 16  # that are kept to a host: eight images and their provenance are stored at once


class Gateways:
    """The real gateways. Each client is made on first use."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def images(self) -> ImageStore:
        s3, known = self.client("s3", **client_options.S3), self._config
        links = SignedLinks(
            s3,
            self._session.get_credentials(),
            known.images_bucket,
            seconds=known.image_url_seconds,
            clock=time.time,
        )
        base_url = known.image_base_url
        return ImageStore(s3, self.http, known.images_bucket, links=links, base_url=base_url)

    @cached_property
    def boot_reports(self) -> BootReportStore:
        s3 = self.client("s3", **client_options.BOOT_REPORTS)
        return BootReportStore(s3, self._config.images_bucket)

    @cached_property
    def messages(self) -> MessageQueue:
        return MessageQueue(self._sqs, self._config.jobs_queue_url)

    @cached_property
    def undelivered_runs(self) -> UndeliveredRuns:
        return UndeliveredRuns(self._sqs, self._config.undelivered_runs_queue_url)

    @cached_property
    def scheduler(self) -> Scheduler:
        known = self._config
        route = Route(
            known.schedule_group,
            known.scheduler_role_arn,
            known.runs_queue_arn,
            known.undelivered_runs_queue_arn,
        )
        return Scheduler(self.remote("scheduler", **client_options.SCHEDULER), route)

    @cached_property
    def instances(self) -> GpuFleet | StaticFleet:
        if self._config.comfyui_url:
            return StaticFleet(self._config.comfyui_url)
        ec2 = self.remote("ec2", **client_options.EC2)
        return GpuFleet(ec2, tag=self._config.fleet_tag, port=self._config.comfyui_port)

    @cached_property
    def http(self) -> requests.Session:
        """The connections to ComfyUI, and to S3 for signed links."""
        http = requests.Session()
        http.trust_env = False  # ComfyUI and S3 are reached without a proxy
        for scheme in ("http://", "https://"):
            http.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS))
        return http

    def comfyui(self, url: str) -> ComfyUI:
        return ComfyUI(url, http=self.http, clock=time.time)

    def client(self, name: str, **options: Any) -> Any:
        return self._session.create_client(
            name, config=client_options.CLIENT.merge(ClientConfig(**options))
        )

    def remote(self, name: str, **options: Any) -> Any:
        """Make a client of a service that has no VPC endpoint and is reached over IPv6."""
        use_dualstack = bool(self._config.dual_stack)
        return self.client(name, use_dualstack_endpoint=use_dualstack, **options)

    @cached_property
    def _sqs(self) -> Any:
        return self.remote("sqs", **client_options.SQS)

    @cached_property
    def _session(self) -> Any:
        return table.session()
