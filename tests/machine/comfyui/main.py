"""The `main.py` of the machine's ComfyUI: the stand-in, behind options of the real one."""

import argparse
import os
import sys
from pathlib import Path

FLAGS = (
    *("--quick-test-for-ci", "--cpu", "--disable-all-custom-nodes", "--disable-api-nodes"),
    *("--disable-auto-launch", "--disable-metadata"),
)

parser = argparse.ArgumentParser()
for flag in FLAGS:
    parser.add_argument(flag, action="store_true")
for option in ("--listen", "--port", "--base-directory", "--database-url"):
    parser.add_argument(option)
options = parser.parse_args()

folder = str(Path(__file__).parent)
sys.path.insert(0, folder)

if options.quick_test_for_ci:
    import nodes  # type: ignore[import-not-found]  # noqa: F401

    (Path(options.base_directory) / "user").mkdir(parents=True, exist_ok=True)
    sys.exit()

if "broken-comfyui" in Path("/proc/cmdline").read_text().split():
    sys.exit("ComfyUI is broken")

# Slow enough that a job of some steps takes minutes.
arguments = ["--step-seconds", "2", "--listen", options.listen, "--port", options.port]
arguments += ["--base-directory", options.base_directory]
os.environ["PYTHONPATH"] = folder
os.execv(sys.executable, [sys.executable, "-m", "local.comfyui", *arguments])  # noqa: S606
