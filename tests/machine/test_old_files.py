"""ComfyUI's files do not fill the disk of an instance whose starts are short."""

from tests.machine.conftest import Rig

OUTPUT = "/var/lib/comfyui/output"


def test_old_images_are_deleted_at_a_start_and_new_ones_stay(rig: Rig) -> None:
    rig.machine.start()
    # A file's time of change is the clock's.
    rig.machine.run(f"date -s '-3 days' && touch {OUTPUT}/old.png && date -s '+3 days'")
    rig.machine.run(f"touch {OUTPUT}/new.png")
    rig.machine.stop()
    rig.start()
    rig.machine.wait_for(f"[[ ! -e {OUTPUT}/old.png ]]", 120)
    assert rig.machine.run(f"ls {OUTPUT}") == "new.png"
    assert float(rig.machine.run("cut -d ' ' -f 1 /proc/uptime")) < 900
