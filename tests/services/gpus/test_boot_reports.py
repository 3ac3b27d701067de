"""What instances report about their boots is noted once, and is not trusted."""

import json
import logging
from typing import Any

import pytest

from chalicelib.gateways.comfyui.errors import Failure
from chalicelib.gateways.comfyui.state import Finished
from chalicelib.models.fleet.instance import InstanceRecord
from tests.services.fakes import Parts
from tests.services.reconcilers import Gpus, reconcile, reconciler_of
from tests.services.workers import accept_jobs

STEPS = {
    "kernel": 4.0,
    "system": 12.0,
    "settings": 2.0,
    "set_up": 600.0,
    "driver": 2.0,
    "comfyui": 14.0,
    "request": 1.0,
    "checkpoint": 55.0,
    "warm_up": 3.0,
}
LATER_SECONDS = sum(STEPS.values()) - STEPS["set_up"]


@pytest.fixture(autouse=True)
def _logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "darkroom")


def report(gpus: Gpus, kernel_started_at: float, **changes: Any) -> None:
    known = {"version": 1, "kernel_started_at": kernel_started_at, "steps": STEPS, "failed": None}
    gpus.reports.texts["i-1"] = json.dumps(known | changes).encode()


def record() -> InstanceRecord:
    return InstanceRecord.read("i-1")


def emitted(caplog: pytest.LogCaptureFixture, metric: str) -> list[Any]:
    return [each for each in caplog.records if hasattr(each, metric)]


def boot(gpus: Gpus, parts: Parts, *, seconds: float = 700) -> None:
    """Start the instance at the request of Darkroom, and let its ComfyUI answer at the end."""
    InstanceRecord("i-1").started(now=parts.clock())
    gpus.turn_on("i-1")
    gpus.queues.clear()
    parts.clock.advance(seconds)
    gpus.queues["i-1"] = 0


def test_the_steps_of_a_boot_are_kept_logged_and_measured_once(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    started_at = parts.clock()
    report(gpus, started_at + 8)
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=5)
    steps = {"pending": 8.0, **STEPS}
    assert record().boot_steps == steps
    [line] = emitted(caplog, "BootSeconds")
    assert (line.BootSeconds, line.instance_id) == (sum(steps.values()), "i-1")
    assert line.steps == steps
    assert gpus.reports.reads == 1


def test_the_boot_time_of_a_report_leaves_out_the_set_up_and_counts_once(
    gpus: Gpus, parts: Parts
) -> None:
    InstanceRecord("i-1").update([InstanceRecord.boot_seconds.set(50)])
    report(gpus, parts.clock() + 7)
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    assert record().boot_seconds == pytest.approx(50 + 0.2 * (7 + LATER_SECONDS - 50))


def test_without_a_report_the_boot_time_is_the_one_observed(gpus: Gpus, parts: Parts) -> None:
    boot(gpus, parts, seconds=80)
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    assert record().boot_seconds == 80


def test_a_report_without_the_steps_of_every_boot_does_not_change_the_boot_time(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    report(gpus, parts.clock(), steps={"kernel": 4})
    boot(gpus, parts, seconds=80)
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    assert record().boot_seconds == 80
    assert record().boot_steps == {"pending": 0, "kernel": 4}
    assert emitted(caplog, "BootSeconds") == []


def test_a_kernel_that_started_before_the_request_was_noted_was_not_pending(
    gpus: Gpus, parts: Parts
) -> None:
    report(gpus, parts.clock() - 3)
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert record().boot_steps["pending"] == 0


def test_the_report_of_an_earlier_start_is_not_taken(gpus: Gpus, parts: Parts) -> None:
    report(gpus, parts.clock() - 20, failed="driver")
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=2)
    assert (record().boot_steps, record().unhealthy_reason, gpus.stopped) == (None, None, [])


def test_a_report_that_comes_late_is_read(gpus: Gpus, parts: Parts) -> None:
    started_at = parts.clock()
    boot(gpus, parts)
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=3)
    assert record().boot_steps is None
    report(gpus, started_at)
    reconcile(reconciler, parts, minutes=1)
    assert record().boot_steps == {"pending": 0, **STEPS}


def test_a_report_is_not_looked_for_long_after_the_instance_became_ready(
    gpus: Gpus, parts: Parts
) -> None:
    boot(gpus, parts)
    gpus.queues["i-1"] = 1  # so that it stays on
    reconcile(reconciler_of(gpus, parts), parts, minutes=20)
    assert gpus.reports.reads == 6


def test_an_instance_that_was_last_started_days_ago_is_not_looked_at(
    gpus: Gpus, parts: Parts
) -> None:
    boot(gpus, parts, seconds=30)
    gpus.turn_off("i-1")
    gpus.launched["i-1"] = parts.clock() - 86_401
    reconcile(reconciler_of(gpus, parts), parts, minutes=3)
    assert gpus.reports.reads == 0


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[" * 4096,
        b'{"version": 1, "kernel_started_at": NOW, "ste',
        b'{"version": 2, "kernel_started_at": NOW, "steps": {}}',
        b'{"version": 1, "kernel_started_at": 1e999, "steps": {}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {"coffee": 1}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {"kernel": 7201}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {"kernel": -1}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {"kernel": NaN}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {"kernel": "4"}}',
        b'{"version": 1, "kernel_started_at": NOW, "steps": {}, "failed": "<b>x</b>"}',
    ],
)
def test_a_report_that_is_not_valid_is_ignored_with_a_warning(
    text: bytes, gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    gpus.reports.texts["i-1"] = text.replace(b"NOW", str(parts.clock() + 1).encode())
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert record().boot_steps is None
    [warning] = [each for each in caplog.records if "not valid" in each.getMessage()]
    assert "<b>" not in warning.getMessage()


def test_a_report_from_the_future_is_not_taken(gpus: Gpus, parts: Parts) -> None:
    report(gpus, parts.clock() + 10_000)
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert record().boot_steps is None


def test_without_s3_the_reconciler_goes_on_and_reads_the_report_later(
    gpus: Gpus, parts: Parts
) -> None:
    report(gpus, parts.clock())
    boot(gpus, parts)
    gpus.reports.is_down = True
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=2)
    assert record().state == "ready"
    gpus.reports.is_down = False
    reconcile(reconciler, parts, minutes=1)
    assert record().boot_steps is not None


def test_an_instance_that_reports_no_driver_is_stopped_and_says_why(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    report(gpus, parts.clock() + 5, failed="driver", steps={"kernel": 4})
    boot(gpus, parts, seconds=30)
    gpus.queues.clear()
    reconcile(reconciler_of(gpus, parts), parts, minutes=4)
    assert gpus.stopped == ["i-1"]
    assert record().unhealthy_reason == "the NVIDIA driver did not work"
    [line] = emitted(caplog, "FailedBoots")
    assert (line.instance_id, line.reason) == ("i-1", "the NVIDIA driver did not work")
    assert gpus.reports.reads == 1
    assert emitted(caplog, "BootSeconds") == []


@pytest.mark.parametrize(
    ("failed", "reason"),
    [("driver", "the NVIDIA driver did not work"), ("comfyui", "ComfyUI did not start")],
)
def test_an_instance_that_reported_a_failure_and_went_off_says_why(
    failed: str, reason: str, gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    reconciler = reconciler_of(gpus, parts)
    boot(gpus, parts, seconds=1)
    report(gpus, parts.clock(), failed=failed)
    gpus.turn_off("i-1")
    parts.clock.advance(20)
    reconcile(reconciler, parts, minutes=3)
    assert (record().unhealthy_reason, record().failed_boots) == (reason, 1)
    [line] = emitted(caplog, "FailedBoots")
    assert line.reason == reason


def test_an_instance_that_went_off_without_a_report_went_off_while_it_booted(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    boot(gpus, parts, seconds=30)
    gpus.turn_off("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=4)
    [line] = emitted(caplog, "FailedBoots")
    assert line.reason == record().unhealthy_reason == "it went off while it booted"
    assert gpus.reports.reads == 1


def test_a_failed_boot_counts_though_s3_does_not_answer(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    gpus.reports.is_down = True
    boot(gpus, parts, seconds=30)
    gpus.turn_off("i-1")
    reconcile(reconciler_of(gpus, parts), parts, minutes=3)
    assert len(emitted(caplog, "FailedBoots")) == 1


def test_a_boot_that_takes_too_long_is_one_failed_boot(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    boot(gpus, parts, seconds=30)
    gpus.queues.clear()
    reconcile(reconciler_of(gpus, parts), parts, minutes=20)
    [line] = emitted(caplog, "FailedBoots")
    assert line.reason.startswith("booting for 9")
    assert gpus.stopped == ["i-1"]


def test_a_failure_that_a_ready_instance_reports_does_not_stop_it(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    report(gpus, parts.clock(), failed="comfyui")
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=3)
    assert (gpus.stopped, record().unhealthy_reason, record().state) == ([], None, "ready")
    assert emitted(caplog, "FailedBoots") == []


def test_an_instance_that_a_person_keeps_on_is_only_marked(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    gpus.kept = {"i-1"}
    report(gpus, parts.clock(), failed="driver")
    boot(gpus, parts, seconds=30)
    gpus.queues.clear()
    reconciler = reconciler_of(gpus, parts)
    reconcile(reconciler, parts, minutes=3)
    assert (gpus.stopped, record().state) == ([], "unhealthy")
    assert emitted(caplog, "FailedBoots") == []
    gpus.turn_off("i-1")
    reconcile(reconciler, parts, minutes=2)
    [line] = emitted(caplog, "FailedBoots")
    assert line.reason == "the NVIDIA driver did not work"


def test_a_warm_up_that_fails_is_one_failed_boot(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    gpus.warm_ups["i-1"] = Finished({}, Failure("gpu_failed", "CUDA error"))
    boot(gpus, parts)
    reconcile(reconciler_of(gpus, parts, checkpoint="a.safetensors"), parts, minutes=3)
    [line] = emitted(caplog, "FailedBoots")
    assert line.reason == "the warm-up failed: CUDA error"


def test_a_failed_boot_whose_instance_is_started_again_is_logged_by_the_starter(
    gpus: Gpus, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    boot(gpus, parts, seconds=30)
    gpus.turn_off("i-1")
    accept_jobs(parts)
    reconcile(reconciler_of(gpus, parts), parts, minutes=1)
    assert gpus.started == ["i-1"]
    assert len(emitted(caplog, "FailedBoots")) == 1
