"""The inventory: which instances there are, the state of each, and which can serve now."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.errors import ComfyUIUnavailable, ComfyUIUnreachable, FleetUnreachable
from chalicelib.models.fleet.creation import Creation
from chalicelib.models.fleet.instance import Description, InstanceRecord
from chalicelib.models.fleet.start_series import StartSeries
from chalicelib.services.gpus.state import STARTING, state_of
from chalicelib.services.gpus.warm_up import WarmUp
from chalicelib.services.together import Together

if TYPE_CHECKING:
    from chalicelib.gateways.comfyui.client import ComfyUI
    from chalicelib.gateways.ec2 import GpuFleet, Instance, StaticFleet

log = logging.getLogger("darkroom.inventory")

_DESCRIBE_SECONDS = 5.0  # one DescribeInstances serves all requests of this time
_ADDRESS_SECONDS = 60.0
_STALE_SECONDS = 120
_OLD_SECONDS = 600
_SILENT_SECONDS = 1.0  # asking a booting ComfyUI takes a timeout; it is not asked again sooner


class Inventory:
    """Observes all instances of one deployment."""

    def __init__(
        self,
        gateway: GpuFleet | StaticFleet,
        connect: Callable[[str], ComfyUI],
        warm_up: WarmUp,
        clock: Callable[[], float],
        together: Together,
    ) -> None:
        self._gateway = gateway
        self._connect = connect
        self._warm_up = warm_up
        self._clock = clock
        self._together = together
        self.starts = StartSeries()  # as they were at the last look at all states
        self._members: list[Instance] = []
        self._described_at = float("-inf")
        self.is_known = False  # whether EC2 has ever answered
        self._unreachable_since: float | None = None
        self._silence: FleetUnreachable | None = None
        self._silent_at: dict[str, float] = {}

    def members(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances as EC2 described them at most `max_age_seconds` ago.

        While EC2 does not answer, its last answer counts for two more minutes; then raise
        FleetUnreachable.
        """
        if self._clock() - self._described_at > max_age_seconds:
            self._describe()
        if self._silence:
            raise FleetUnreachable(str(self._silence), retry_seconds=self._silence.retry_seconds)
        return self._members

    @property
    def is_fixed(self) -> bool:
        """Whether all of it are ComfyUIs at fixed addresses, which EC2 does not know."""
        return not any(each.can_be_started for each in self._members)

    @property
    def has_fixed_address(self) -> bool:
        """Whether ComfyUI is no instance of EC2, so that Darkroom can neither start nor stop it."""
        return bool(self.members()) and self.is_fixed

    def _describe(self) -> None:
        try:
            self._members, self._silence = self._gateway.instances(), None
            self._unreachable_since, self.is_known = None, True
        except FleetUnreachable as silence:
            # Instances that serve keep serving while EC2's API is down.
            now = self._clock()
            self._unreachable_since = (
                now if self._unreachable_since is None else self._unreachable_since
            )
            is_stale = not self.is_known or now - self._unreachable_since > _STALE_SECONDS
            self._silence = silence if is_stale else None
        self._described_at = self._clock()  # read again, as a timeout may have passed

    def check(self) -> None:
        """Raise ComfyUIUnavailable if no instance can ever serve a job; pass if EC2 is down.

        The number of instances rarely changes: while one can serve, EC2 is asked once in ten
        minutes.
        """
        with suppress(FleetUnreachable):
            try:
                self.usable(max_age_seconds=_OLD_SECONDS)
            except ComfyUIUnavailable:
                if self._clock() - self._described_at <= _DESCRIBE_SECONDS:
                    raise
                self.usable()

    def expire(self) -> None:
        """Ask EC2 again at the next look, as an instance was started or stopped."""
        self._described_at = float("-inf")

    def views(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[InstanceView]:
        """Return the state of every instance by its record; ask no ComfyUI but fixed ones."""
        members = self.members(max_age_seconds=max_age_seconds)
        for each in members:
            if not each.can_be_started:
                self.ask(each)
        return self._views(members, {})

    def observe(self) -> list[InstanceView]:
        """Ask the ComfyUIs that no follower observes, all at once; return every instance's state.

        Store which of them answer and are ready. Warm up those that have just booted.
        """
        members, now = self.members(), self._clock()
        followed = {each.id for each in InstanceRecord.all() if each.is_followed(now)}
        alone = [each for each in members if each.state == "running" and each.id not in followed]
        servers = self._together([partial(self.ask, each) for each in alone])
        return self._views(members, {each.instance.id: each for each in servers if each})

    def serving(self) -> list[Server]:
        """List the instances that take jobs, as they were last observed; the freest first.

        EC2 is asked once in a minute for their addresses, which stay, unless it did not describe
        one of them as running.
        """
        now, records = self._clock(), {each.id: each for each in InstanceRecord.all()}
        serving = {each.id for each in records.values() if each.serves(now)}
        members = self.members(max_age_seconds=_ADDRESS_SECONDS)
        if serving - {each.id for each in members if each.state == "running"}:
            members = self.members()
        known = [(each, records.get(each.id)) for each in members if each.state == "running"]
        servers = [
            Server(each, self._connect(each.url), record)
            for each, record in known
            if record and record.serves(now)
        ]
        if not servers:
            servers = [server for each, _ in known if (server := self._ask_fixed(each))]
        return sorted(servers, key=lambda server: -server.record.free_slots)

    def _ask_fixed(self, instance: Instance) -> Server | None:
        """Ask a ComfyUI that is no instance of EC2: none of its starts was observed."""
        server = None if instance.can_be_started else self.ask(instance)
        return server if server and server.record.serves(self._clock()) else None

    def observe_server(self, instance_id: str) -> Server | None:
        """Return an instance if it can continue with its jobs, even if it takes no new ones.

        Raise ComfyUIUnreachable if it runs and does not answer.
        """
        member = self.member(instance_id)
        if member is None or member.state != "running":
            return None
        server = self.ask(member)
        if server is None:
            raise ComfyUIUnreachable("ComfyUI did not answer")
        record = server.record
        return None if record.ready_at is None or record.unhealthy_attempt else server

    def member(self, instance_id: str) -> Instance | None:
        """Return an instance as EC2 described it; None if there is none with this id."""
        return next((each for each in self.members() if each.id == instance_id), None)

    def comfyui_at(self, instance_id: str) -> ComfyUI | None:
        """Return an instance's ComfyUI without asking it; None if no instance has this id.

        Its address rarely changes: EC2 is asked once in ten minutes.
        """
        members = self.members(max_age_seconds=_OLD_SECONDS)
        urls = [each.url for each in members if each.id == instance_id]
        return self._connect(urls[0]) if urls else None

    def usable(self, *, max_age_seconds: float = _DESCRIBE_SECONDS) -> list[Instance]:
        """List the instances; raise ComfyUIUnavailable if none can ever serve a job.

        The list is empty while `make deploy` has not succeeded in launching the first one.
        """
        members = self.members(max_age_seconds=max_age_seconds)
        if not members and Creation.why_no_instance():
            return members
        if not members:
            log.error(
                "no EC2 instance has the tag of this deployment: run `make deploy` with a FleetSize"
                " of 1 or more, or set ComfyUIUrl; `make doctor` lists the instances"
            )
            raise ComfyUIUnavailable("there is no GPU instance")
        if not any(each.can_be_started for each in members) and not self._answers(members):
            log.error(
                "no ComfyUI answers at COMFYUI_URL: start it there, let the functions reach it, or"
                " set another ComfyUIUrl"
            )
            raise ComfyUIUnavailable("ComfyUI does not answer")
        return members

    def _answers(self, members: list[Instance]) -> bool:
        return any(self.ask(each) for each in members)

    def _views(self, members: list[Instance], asked: dict[str, Server]) -> list[InstanceView]:
        now = self._clock()
        series, known = StartSeries.read_with_records(now=now)
        self.starts = series
        records, has_capacity = {each.id: each for each in known}, not series.failed
        views = []
        for each in members:
            record = records.get(each.id) or InstanceRecord(each.id)
            length = asked[each.id].queue_length if each.id in asked else 0
            state = state_of(each, record, now=now, has_capacity=has_capacity, queue_length=length)
            views.append(InstanceView(each, record, state))
        return views

    def ask(self, instance: Instance) -> Server | None:
        """Ask an instance's ComfyUI, and store whether it answers, is ready, and works.

        Do the next step of its warm-up, if one is left. Return None if it does not answer.
        """
        was_silent_at = self._silent_at.get(instance.id, float("-inf"))
        if instance.can_be_started and self._clock() - was_silent_at < _SILENT_SECONDS:
            return None
        comfyui = self._connect(instance.url)
        try:
            queue_length = comfyui.queue_length()
            record = InstanceRecord.read(instance.id)
            self._note(instance, comfyui, record)
        except ComfyUIUnreachable:
            self._silent_at[instance.id] = self._clock()
            InstanceRecord.read(instance.id).become_unreachable(now=self._clock())
            return None
        return Server(instance, comfyui, record, queue_length)

    def _note(self, instance: Instance, comfyui: ComfyUI, record: InstanceRecord) -> None:
        """Store what a ComfyUI that answers shows."""
        if record.ready_at is None:
            if instance.can_be_started:
                self._warm_up.go_on(comfyui, record)
            else:
                record.became_ready(now=self._clock())
        record.answered()
        attempt_id = record.unhealthy_attempt
        if attempt_id and not comfyui.is_unhealthy(attempt_id):
            record.mark_healthy()


class Server(NamedTuple):
    """An instance and its ComfyUI, with `queue_length` prompts if it was just asked."""

    instance: Instance
    comfyui: ComfyUI
    record: InstanceRecord
    queue_length: int = 0


class InstanceView(NamedTuple):
    """An instance, its record and its state."""

    instance: Instance
    record: InstanceRecord
    state: str

    @property
    def may_serve(self) -> bool:
        """Whether it serves or can be started; a ComfyUI at a fixed address has to answer."""
        answers = self.record.ready_at is not None and self.record.unreachable_since is None
        return self.instance.can_be_started or answers

    @property
    def description(self) -> Description:
        """What EC2 says of the instance, as its record stores it."""
        return Description(self.instance.type, self.instance.zone, self.instance.is_kept)

    @property
    def is_on(self) -> bool:
        """Whether it costs money. EC2 still describes one that was just started as stopped."""
        return self.instance.state in ("running", "pending") or self.state == STARTING
