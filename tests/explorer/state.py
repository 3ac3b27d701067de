"""The state of a world as one number: equal numbers mean that the same follows."""

from typing import Any

from chalicelib.config import config
from tests.faults.comfyui import ComfyUI, Run
from tests.faults.scheduler import Process
from tests.faults.world import World
from tests.virtual.dynamodb import ask

_FIRST_TIME = 1_700_000_000  # numbers from here on are times


def state_of(world: World, tables: str, known: object) -> int:
    """Return a hash of the tables, of all services, and of what each process was told.

    `known` is what else matters.
    """
    scheduler = world.scheduler
    return hash(
        (
            tables,
            scheduler.now,
            known,
            tuple(map(_process, scheduler.processes)),
            tuple(map(_host, world.hosts)),
            repr(world.queue.messages),
            repr(world.others()),
            tuple(sorted((key, hash(body)) for key, body in world.bucket.objects.items())),
            repr(world.answers),
            len(world.errors),
            world.troubled,
        )
    )


def _process(process: Process) -> Any:
    main = process.group.main
    waits = None if main is process else main.history
    return (
        process.name,
        process.at,
        process.wakes_at,
        process.stands_until,
        process.turn,
        process.history,
        process.had_fault,
        process.was_alone,
        waits,
    )


def _host(host: Any) -> Any:
    return host.id, host.state, host.changes_at, tuple(host.starts), _comfyui(host.comfyui)


def _comfyui(comfyui: ComfyUI) -> Any:
    return (
        (comfyui.is_up, comfyui.is_stuck, comfyui.is_broken, comfyui.next_end),
        tuple(comfyui.pending),
        repr(comfyui.running),
        tuple(sorted((name, run.end) for name, (run, _) in comfyui.history.items())),
        tuple(sorted(comfyui.files)),
        tuple(map(_run, comfyui.runs)),
        repr(sorted(comfyui.mailboxes.items())),
    )


def _run(run: Run) -> Any:
    return run.attempt_id, run.end, run.excuse


def rest_of(world: World, reconciler_at: float) -> int:
    """Return a hash of what is left when all jobs have ended, with times relative to now."""
    now = world.scheduler.now
    records = [
        (name, tuple(sorted((key, _relative(value, now)) for key, value in item.items())))
        for name, item in sorted(_items(config.fleet_table).items())
    ]
    others = [item for item in _items(config.jobs_table).values() if "queue" in item]
    messages = [(each.body, each.visible_at - now, each.receives) for each in world.queue.messages]
    hosts = [
        (each.id, each.state, each.changes_at - now, _comfyui(each.comfyui)[:3])
        for each in world.hosts
    ]
    return hash(repr(("rest", records, others, messages, hosts, reconciler_at - now)))


def _items(table: str) -> dict[str, Any]:
    return {item["id"]["S"]: item for item in ask("Scan", {"TableName": table})["Items"]}


def _relative(value: dict[str, Any], now: float) -> Any:
    """Return a value, or how long ago it was if it is a time."""
    number = float(value.get("N", 0))
    return round(number - now, 3) if number > _FIRST_TIME else repr(value)
