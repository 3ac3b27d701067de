"""The services of a deployment over its gateways, each made on first use."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, cached_property
from secrets import SystemRandom
from typing import TYPE_CHECKING

from chalicelib import garbage
from chalicelib.config import Config, config
from chalicelib.gateways.ipv6 import prefer_ipv6
from chalicelib.models import table
from chalicelib.services.billing.budget import Budget
from chalicelib.services.billing.report import Usage
from chalicelib.services.gpus.boot_reports import BootReports
from chalicelib.services.gpus.demand import Demand
from chalicelib.services.gpus.dispatcher import Dispatcher
from chalicelib.services.gpus.fleet import Fleet
from chalicelib.services.gpus.follower import Parts
from chalicelib.services.gpus.instances import Instances
from chalicelib.services.gpus.inventory import Inventory
from chalicelib.services.gpus.messages import Messages
from chalicelib.services.gpus.power import GpuPower
from chalicelib.services.gpus.queue_snapshots import QueueSnapshots
from chalicelib.services.gpus.scaling import Limits
from chalicelib.services.gpus.starter import Starter
from chalicelib.services.gpus.status_texts import Status, comfyui_status
from chalicelib.services.gpus.stop_reasons import StopLimits
from chalicelib.services.gpus.stopper import Stopper
from chalicelib.services.gpus.stuck import StuckInstances
from chalicelib.services.gpus.warm_up import WarmUp
from chalicelib.services.gpus.worker import Worker
from chalicelib.services.jobs.awaiting import Awaiting
from chalicelib.services.jobs.cancel import Cancellation
from chalicelib.services.jobs.cleanup import Cleanup
from chalicelib.services.jobs.completion import Completion, ImageStorage
from chalicelib.services.jobs.driver import Driver
from chalicelib.services.jobs.inline import InlineDriver
from chalicelib.services.jobs.overdue import OverdueJobs
from chalicelib.services.jobs.submit import Submission
from chalicelib.services.jobs.wait_estimate import Waits
from chalicelib.services.keys import Keys
from chalicelib.services.reconciler import Reconciler
from chalicelib.services.schedules.comparison import DailyComparison
from chalicelib.services.schedules.making import RunMaker
from chalicelib.services.schedules.publisher import Publisher
from chalicelib.services.schedules.run_requests import RunRequests
from chalicelib.services.schedules.runs import Runs
from chalicelib.services.schedules.schedules import Schedules
from chalicelib.services.schedules.watch import ScheduleWatch
from chalicelib.services.seeding import seed_once
from chalicelib.services.together import Together, in_threads

if TYPE_CHECKING:
    from chalicelib.clients import Gateways
    from chalicelib.gateways.s3 import ImageStore

# Callers whose numbers are doubles, such as JavaScript, cannot read larger seeds exactly.
_SEED_BITS = 53

_RANDOM = SystemRandom()


def _random_seed() -> int:
    return _RANDOM.getrandbits(_SEED_BITS)


class Services:
    """All use cases over the given gateways and clock; each is made on first use."""

    def __init__(
        self,
        gateways: Gateways,
        clock: Callable[[], float],
        config: Config,
        *,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = _RANDOM.random,
        random_seed: Callable[[], int] = _random_seed,
        together: Together = in_threads,
    ) -> None:
        self.gateways = gateways
        self.clock = clock
        self.config = config
        self._pause = pause
        self._chance = chance
        self._random_seed = random_seed
        self._together = together

    @cached_property
    def images(self) -> ImageStore:
        return self.gateways.images

    @cached_property
    def budget(self) -> Budget:
        # A ComfyUI at a fixed address is not an instance of this deployment, and has no cost.
        dollars = None if self.config.comfyui_url else self.config.daily_budget
        return Budget(dollars, self.config.preferred_types, self.clock)

    @cached_property
    def inventory(self) -> Inventory:
        warm_up = WarmUp(self.config.checkpoint if self.config.warm_up else None, self.clock)
        gateways = self.gateways
        return Inventory(gateways.instances, gateways.comfyui, warm_up, self.clock, self._together)

    @cached_property
    def fleet(self) -> Fleet:
        instances, types, limits = self.gateways.instances, self.config.preferred_types, self.config
        return Fleet(
            self.inventory,
            instances,
            Starter(instances, types, self.clock, self._chance),
            Limits(limits.fleet_max, limits.scale_wait_seconds),
            self.budget,
            self.messages,
            self.clock,
        )

    @cached_property
    def gpu_power(self) -> GpuPower:
        return GpuPower(self.fleet, self.queue_snapshots, self._together, self.clock)

    @cached_property
    def messages(self) -> Messages:
        return Messages(self.gateways.messages, self.clock)

    @cached_property
    def demand(self) -> Demand:
        return Demand(self.fleet, self.messages, self.clock)

    @cached_property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.inventory, self._together, self.clock)

    @cached_property
    def queue_snapshots(self) -> QueueSnapshots:
        boots = not self.config.comfyui_url
        return QueueSnapshots(self.inventory, self.budget, self.clock, boots=boots)

    @cached_property
    def cleanup(self) -> Cleanup:
        return Cleanup(self.inventory, self.dispatcher, self.images, self.clock)

    @cached_property
    def storage(self) -> ImageStorage:
        marks = bool(self.config.mark_generated)
        return ImageStorage(self.images, self._together, marks_generated=marks)

    @cached_property
    def driver(self) -> Driver:
        completion = Completion(self.storage, self.cleanup, self._together, self.clock)
        return Driver(
            self.dispatcher, self.demand, completion, self.cleanup, self._together, self.clock
        )

    @cached_property
    def inline_driver(self) -> InlineDriver:
        return InlineDriver(
            self.submission, self.dispatcher, self.driver, self.messages, self.clock, self._pause
        )

    @cached_property
    def awaiting(self) -> Awaiting:
        return Awaiting(self.clock, self._pause)

    @cached_property
    def submission(self) -> Submission:
        return Submission(
            self.inventory,
            self.demand,
            self.budget,
            self._together,
            checkpoint=self.config.checkpoint,
            clock=self.clock,
            pause=self._pause,
            random_seed=self._random_seed,
        )

    @cached_property
    def cancellation(self) -> Cancellation:
        return Cancellation(self.inventory, self.cleanup, self.messages, self.clock)

    @cached_property
    def worker(self) -> Worker:
        parts = Parts(
            self.inventory,
            self.dispatcher,
            self.driver,
            self.cleanup,
            self.demand,
            self.queue_snapshots,
            self.messages,
            self._together,
            self.clock,
            self._pause,
        )
        return Worker(parts, self.demand, self.clock)

    @cached_property
    def overdue_jobs(self) -> OverdueJobs:
        return OverdueJobs(self.driver, self.messages, self._together, self.clock)

    @cached_property
    def stopper(self) -> Stopper:
        return Stopper(self.fleet, self.budget, limits=self.stop_limits, clock=self.clock)

    @cached_property
    def stop_limits(self) -> StopLimits:
        known = self.config
        return StopLimits(
            idle_seconds=known.idle_stop_seconds,
            boot_seconds=known.boot_timeout_seconds,
            max_on_seconds=known.max_on_seconds,
            execution_deadline_seconds=known.execution_deadline_seconds,
        )

    @cached_property
    def instances(self) -> Instances:
        return Instances(
            self.inventory,
            self.budget,
            self.stop_limits,
            self._together,
            self.clock,
            has_instances=not self.config.comfyui_url,
        )

    @cached_property
    def stuck_instances(self) -> StuckInstances:
        return StuckInstances(self.inventory, self.gateways.instances, self.clock)

    @cached_property
    def boot_reports(self) -> BootReports:
        return BootReports(self.inventory, self.gateways.boot_reports, self.clock)

    @cached_property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            self.stopper,
            self.overdue_jobs,
            self.demand,
            self.queue_snapshots,
            # Last, as a GPU that is on costs most if time runs out.
            more=(
                self.stuck_instances.force,
                self.boot_reports.read_new,
                self.schedule_watch.look,
                self.schedule_watch.read_undelivered,
                self.daily_comparison.compare_daily,
            ),
        )

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.gateways.scheduler, self.clock)

    @cached_property
    def schedules(self) -> Schedules:
        return Schedules(self.submission, self.publisher, self.clock, self._pause)

    @cached_property
    def run_maker(self) -> RunMaker:
        return RunMaker(self.submission, self.clock)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.run_maker, self.clock, self._pause)

    @cached_property
    def run_requests(self) -> RunRequests:
        return RunRequests(self.run_maker, self.clock, self._pause)

    @cached_property
    def schedule_watch(self) -> ScheduleWatch:
        return ScheduleWatch(self.publisher, self.gateways.undelivered_runs, self.clock)

    @cached_property
    def daily_comparison(self) -> DailyComparison:
        return DailyComparison(self.gateways.scheduler, self.publisher, self.clock)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.config, self.clock)

    @cached_property
    def usage(self) -> Usage:
        has_instances = not self.config.comfyui_url
        return Usage(self.fleet, self.clock, has_instances=has_instances)

    def waits(self) -> Waits:
        """Return estimates of waits."""
        return Waits(self.queue_snapshots)

    def comfyui_status(self) -> Status:
        return comfyui_status(self.fleet.inventory, self.budget, self.clock())


@cache
def services() -> Services:
    """Return the services of this process, configured by its environment."""
    # The libraries of the clients take a tenth of `import app`, and a catalog needs none of them.
    from chalicelib.clients import Gateways

    if config.dual_stack:
        prefer_ipv6()
    return Services(Gateways(config), time.time, config)


# What every event of a function uses, by what Lambda calls the function's handler. Many requests
# of the API need no service: it makes others, and their clients, on first use (decision 54).
FIRST_USED: dict[str, tuple[str, ...]] = {
    "app.app": (),
    "app.work": ("worker",),
    "app.run": ("runs",),
    "app.reconcile": ("reconciler",),
    "app.reclaim": ("fleet",),
}


def prepare(handler: str) -> None:
    """Make what a function surely uses, its clients included, and connect to nothing.

    Lambda gives a function's init more CPU time than its invocations. Elsewhere there is no
    handler, and nothing is made before it is used.
    """
    garbage.leave_out_imported()
    if handler in FIRST_USED:
        table.prepare()
        for name in FIRST_USED[handler]:
            getattr(services(), name)


@cache
def seed_catalogs() -> None:
    """Write the first catalog items of a new deployment; checked once per process."""
    seed_once(now=time.time())
