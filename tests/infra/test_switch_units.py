"""The units run the installed script every minute, and let it power off."""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.infra.switch import INSTANCE, SCRIPT

INSTALLED = "/usr/local/sbin/darkroom-switch"
SERVICE, TIMER = INSTANCE / "darkroom-switch.service", INSTANCE / "darkroom-switch.timer"


def unit(path: Path) -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def test_the_service_runs_the_script_where_the_readme_installs_it() -> None:
    service = unit(SERVICE)["Service"]
    assert service["Type"] == "oneshot"
    assert service["ExecStart"] == INSTALLED
    assert INSTALLED in (INSTANCE / "README.md").read_text()


def test_the_service_reads_the_settings_file_if_it_exists() -> None:
    assert unit(SERVICE)["Service"]["EnvironmentFile"] == "-/etc/darkroom/switch.env"


def test_the_state_is_kept_between_looks_and_not_across_a_reboot() -> None:
    service = unit(SERVICE)["Service"]
    assert (service["RuntimeDirectory"], service["RuntimeDirectoryPreserve"]) == ("darkroom", "yes")
    assert "/run/darkroom" in SCRIPT.read_text()


def test_a_check_times_out_before_the_next_check() -> None:
    assert int(unit(SERVICE)["Service"]["TimeoutStartSec"]) < 60


def test_the_timer_runs_every_minute_by_the_monotonic_clock() -> None:
    timer = unit(TIMER)
    assert (timer["Timer"]["OnBootSec"], timer["Timer"]["OnUnitActiveSec"]) == ("1min", "1min")
    assert "OnCalendar" not in timer["Timer"]
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_the_script_is_executable() -> None:
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    text = SERVICE.read_text().replace(INSTALLED, str(SCRIPT))
    units = [tmp_path / SERVICE.name, tmp_path / TIMER.name]
    for path, content in zip(units, (text, TIMER.read_text()), strict=True):
        path.write_text(content)
    assert complaints("systemd-analyze", "verify", *units) == ""


def test_shellcheck_finds_no_fault_in_the_script() -> None:
    assert complaints(Path(sys.executable).with_name("shellcheck"), SCRIPT) == ""


def complaints(*command: str | Path) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.stdout or "failed" * bool(done.returncode)
