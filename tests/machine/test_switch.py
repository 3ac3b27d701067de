"""The switch powers off a machine that has no work, whatever else runs on it."""

from tests.machine.conftest import Rig
from tests.machine.contents import PORT

IDLE_SECONDS, STEP_SECONDS = 120, 2
# The switch checks every minute, and a check and a power-off are slow here.
POWER_OFF_SECONDS = IDLE_SECONDS + 240


def test_a_machine_is_powered_off_when_it_is_idle_and_not_while_a_job_runs(rig: Rig) -> None:
    rig.cloud.set(SWITCH_IDLE_SECONDS=str(IDLE_SECONDS))
    rig.start()
    rig.prompt(steps=(IDLE_SECONDS + 90) // STEP_SECONDS)
    runs = f"curl -sf http://127.0.0.1:{PORT}/queue | grep -q '\"queue_running\": \\[\\['"
    assert rig.machine.holds(runs)
    rig.machine.wait_for(f"! {runs}", IDLE_SECONDS + 150)
    assert not rig.machine.is_off
    assert rig.machine.wait_until_off(POWER_OFF_SECONDS) >= IDLE_SECONDS - 60


def test_a_process_that_inhibits_a_shutdown_does_not_prevent_it(rig: Rig) -> None:
    rig.cloud.set(SWITCH_IDLE_SECONDS=str(IDLE_SECONDS))
    rig.start()
    inhibit = "systemd-inhibit --what=shutdown --mode=block sleep infinity"
    rig.machine.run(f"systemd-run --unit=inhibitor {inhibit}")
    rig.machine.wait_until_off(POWER_OFF_SECONDS)
