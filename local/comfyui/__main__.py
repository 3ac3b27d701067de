"""Start a stand-in ComfyUI: `python -m local.comfyui --base-directory DIR`."""

import argparse
import asyncio
import contextlib
import logging
from pathlib import Path

from local.comfyui.log_lines import ColouredLine
from local.comfyui.machine import Pace
from local.comfyui.server import DEFAULT_CHECKPOINT, Options, Server


def arguments() -> argparse.Namespace:
    """Parse the command line; options that ComfyUI has too have ComfyUI's names."""
    parser = argparse.ArgumentParser(prog="local.comfyui", description="A stand-in for ComfyUI.")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--port", default=8188, type=int)
    parser.add_argument("--base-directory", required=True, type=Path, metavar="DIR")
    parser.add_argument("--checkpoint", nargs="+", default=[DEFAULT_CHECKPOINT], metavar="NAME")
    parser.add_argument("--step-seconds", default=0.02, type=float)
    parser.add_argument("--load-seconds", default=0.5, type=float)
    parser.add_argument("--disable-metadata", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Serve until interrupted."""
    handler = logging.StreamHandler()
    handler.setFormatter(ColouredLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    wanted = arguments()
    pace = Pace(wanted.step_seconds, wanted.load_seconds)
    has_metadata = not wanted.disable_metadata
    options = Options(wanted.base_directory, tuple(wanted.checkpoint), pace, has_metadata)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Server(options).serve(wanted.listen, wanted.port, on_ready=lambda _url: None))


if __name__ == "__main__":
    main()
