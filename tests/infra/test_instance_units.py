"""Services have the privileges that they need, and no more."""

import os
import re
import shutil
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from infra.bundle import INSTANCE
from tests.infra.instance import Instance
from tests.infra.test_switch_units import complaints

SCRIPTS = [path for path in INSTANCE.iterdir() if path.read_bytes().startswith(b"#!")]
SERVICES = sorted(INSTANCE.glob("*.service"))
HARDENED = [
    *("NoNewPrivileges", "LockPersonality", "PrivateTmp"),
    *("ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname"),
    *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
    *("RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
]


def service(path: Path) -> dict[str, list[str]]:
    """Return the values of [Service]; a name may have several."""
    text = path.read_text().replace("\\\n", "").partition("[Service]")[2].partition("\n[")[0]
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


COMFYUI = service(INSTANCE / "comfyui.service")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_service_is_hardened(path: Path) -> None:
    lines = service(path)
    assert lines["ProtectSystem"] == ["strict"]
    assert lines["SystemCallArchitectures"] == ["native"]
    assert {name: lines.get(name) for name in HARDENED} == {name: ["yes"] for name in HARDENED}


def test_comfyui_has_no_privileges_and_no_credentials() -> None:
    assert (COMFYUI["User"], COMFYUI["CapabilityBoundingSet"]) == (["comfyui"], [""])
    [denied] = COMFYUI["IPAddressDeny"]
    assert denied.split() == ["link-local", "fd00:ec2::/32"]


def test_comfyui_has_the_gpu_and_no_other_device() -> None:
    assert (COMFYUI["DevicePolicy"], COMFYUI["DeviceAllow"]) == (["closed"], ["char-nvidia* rw"])
    assert "PrivateDevices" not in COMFYUI


def test_comfyui_cannot_write_to_its_code_and_models() -> None:
    writable = " ".join(COMFYUI["ReadWritePaths"]).split()
    assert {path.removeprefix("/var/lib/comfyui/") for path in writable} == {
        *("input", "output", "temp", "user", "cache")
    }


def test_comfyui_listens_where_the_settings_say() -> None:
    [command] = COMFYUI["ExecStart"]
    assert "--listen 0.0.0.0 --port ${COMFYUI_PORT}" in command
    assert COMFYUI["EnvironmentFile"] == ["-/etc/darkroom/switch.env"]
    assert "COMFYUI_PORT=8188" in COMFYUI["Environment"][0].split()


def test_images_do_not_reveal_their_workflow_and_there_are_no_custom_nodes() -> None:
    [command] = COMFYUI["ExecStart"]
    assert {"--disable-all-custom-nodes", "--disable-metadata"} <= {*command.split()}


def test_the_gpu_is_tested_in_comfyuis_sandbox_before_it_starts() -> None:
    [command] = COMFYUI["ExecStartPre"]
    assert command.endswith("/opt/darkroom/bundle/check_gpu.py")


def test_checkpoints_that_could_not_be_fetched_are_tried_again() -> None:
    lines = service(INSTANCE / "darkroom-checkpoints.service")
    assert (lines["Restart"], lines["RestartSec"]) == (["on-failure"], ["60"])


def test_a_checkpoint_is_moved_into_place_within_one_mount() -> None:
    # Each writable path of a unit is a mount of its own, and a move between two is a copy.
    writable = " ".join(service(INSTANCE / "darkroom-checkpoints.service")["ReadWritePaths"])
    script = (INSTANCE / "darkroom-checkpoints").read_text()
    used = re.findall(r"^readonly (?:checkpoints|incoming)=\$root(\S+)", script, re.MULTILINE)
    mounts = [[each for each in writable.split() if path.startswith(f"{each}/")] for path in used]
    assert len(used) == 2
    assert mounts == [["/var/lib/comfyui/models"]] * 2


@pytest.mark.parametrize("name", ["checkpoints", "timeline"])
def test_a_slow_metadata_service_is_waited_for(name: str) -> None:
    environment = " ".join(service(INSTANCE / f"darkroom-{name}.service")["Environment"]).split()
    assert "AWS_METADATA_SERVICE_TIMEOUT=5" in environment


def test_comfyui_is_restarted_a_limited_number_of_times() -> None:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.read(INSTANCE / "comfyui.service")
    assert COMFYUI["Restart"] == ["always"]
    assert "darkroom-boot.service" in parser["Unit"]["After"].split()
    restarts = int(parser["Unit"]["StartLimitBurst"]) * int(COMFYUI["RestartSec"][0])
    assert restarts < int(parser["Unit"]["StartLimitIntervalSec"])


def test_shellcheck_finds_no_fault_in_any_script(ready: Instance) -> None:
    started = ready.root / "usr/local/sbin/darkroom-start"
    shellcheck = Path(sys.executable).with_name("shellcheck")
    assert complaints(shellcheck, *SCRIPTS, started) == ""


def test_every_script_is_executable() -> None:
    assert all(os.access(script, os.X_OK) for script in SCRIPTS)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_finds_no_fault_in_the_units(ready: Instance, tmp_path: Path) -> None:
    boot = ready.root / "etc/systemd/system/darkroom-boot.service"
    for path in [*SERVICES, *INSTANCE.glob("*.timer"), boot]:
        text = re.sub(
            r"^(ExecStart|ExecStartPre)=\S+", r"\1=/bin/true", path.read_text(), flags=re.M
        )
        (tmp_path / path.name).write_text(text)
    units = [*tmp_path.glob("*.service"), *tmp_path.glob("*.timer")]
    assert complaints("systemd-analyze", "verify", *units) == ""
