"""A power cut loses no file that a later start relies on.

The worst moment is made certain: the kernel writes no data by itself, and only what says that a
step is done is synced, which also commits the names and sizes of all other files. Data that nobody
else synced are then lost, and their files are empty.
"""

from hashlib import sha256

from tests.machine.conftest import ANSWERS, SET_UP_SECONDS, Rig
from tests.machine.machine import Machine

NO_WRITEBACK = "sysctl.vm.dirty_writeback_centisecs=0 sysctl.vm.dirty_expire_centisecs=360000"
CHECKPOINTS = "/var/lib/comfyui/models/checkpoints"


def cut_power_once(machine: Machine, condition: str, synced: str) -> None:
    """Cut the power as soon as a condition holds and a path is synced."""
    wait = f"until {condition}; do sleep 0.5; done"
    machine.run(f"{wait}; sync {synced}", seconds=SET_UP_SECONDS)
    machine.cut_power()


def test_a_set_up_continues_after_a_cut_once_the_bundle_is_unpacked(new: Rig) -> None:
    new.machine.start(NO_WRITEBACK)
    bundle = f"/opt/darkroom/{new.cloud.settings()['BUNDLE_SHA256']}"
    cut_power_once(new.machine, f"[[ -e {bundle} ]]", bundle)
    new.machine.start()
    new.machine.wait_for(ANSWERS, SET_UP_SECONDS)
    assert not new.machine.run(f"find {bundle} /usr/local/sbin -empty")


def test_a_version_of_comfyui_is_whole_after_a_cut_once_it_is_installed(rig: Rig) -> None:
    commit = rig.cloud.release_comfyui()
    rig.cloud.set(COMFYUI_COMMIT=commit)
    rig.machine.start(NO_WRITEBACK)
    current = f"[[ $(readlink /opt/comfyui/current) == {commit} ]]"
    cut_power_once(rig.machine, current, "/opt/comfyui")
    rig.start()
    main = rig.machine.run("sha256sum /opt/comfyui/current/source/main.py").split()[0]
    assert rig.machine.run("readlink /opt/comfyui/current") == commit
    assert main == sha256(rig.cloud.comfyui_main.read_bytes()).hexdigest()


def test_a_checkpoint_is_whole_after_a_cut_once_it_is_fetched(rig: Rig) -> None:
    location = rig.cloud.offer_checkpoint("new.safetensors")
    rig.cloud.set(CHECKPOINTS=f"{rig.cloud.settings()['CHECKPOINTS']} {location}")
    rig.machine.start(NO_WRITEBACK)
    marker = "/var/lib/darkroom/checkpoints/new.safetensors"
    cut_power_once(rig.machine, f"[[ -s {marker} ]]", marker)
    rig.start()
    whole = sha256(rig.cloud.checkpoint("new.safetensors")).hexdigest()
    is_whole = f"sha256sum {CHECKPOINTS}/new.safetensors | grep -q {whole}"
    rig.machine.wait_for(is_whole, 120)
