"""The guard powers off an instance on which no switch is installed, by uptime, not by the clock."""

from tests.machine.conftest import ANSWERS, SET_UP_SECONDS, Rig
from tests.machine.contents import BUNDLES

ELAPSES = "systemctl show --property=NextElapseUSecMonotonic darkroom-guard.timer"


def test_the_guard_follows_uptime_and_ends_once_the_switch_is_installed(new: Rig) -> None:
    new.cloud.break_down(BUNDLES, "503")
    new.machine.start()
    new.machine.wait_for("journalctl -u darkroom-boot | grep -q 'No new bundle'", SET_UP_SECONDS)
    elapses = new.machine.run(ELAPSES)
    for change in ("+2 hours", "-4 hours", "+2 hours"):
        new.machine.run(f"date -s '{change}' && sleep 15")
        assert new.machine.run(ELAPSES) == elapses
    assert elapses == "NextElapseUSecMonotonic=45min"
    new.cloud.mend(BUNDLES)
    new.machine.wait_for(ANSWERS, SET_UP_SECONDS)
    assert not new.machine.holds("systemctl is-active darkroom-guard.timer")
    assert new.machine.holds("systemctl is-active darkroom-switch.timer")
