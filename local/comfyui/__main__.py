"""Start a stand-in ComfyUI: `python -m local.comfyui --base-directory DIR`."""

import argparse
import asyncio
import contextlib
import logging
from pathlib import Path

from local.comfyui.machine import Pace
from local.comfyui.server import DEFAULT_CHECKPOINT, Options, Server

log = logging.getLogger("local.comfyui")


def arguments() -> argparse.Namespace:
    """Parse the command line; options that ComfyUI has too have ComfyUI's names."""
    parser = argparse.ArgumentParser(prog="local.comfyui", description="A stand-in for ComfyUI.")
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--port", default=8188, type=int)
    parser.add_argument("--base-directory", required=True, type=Path, metavar="DIR")
    parser.add_argument("--checkpoint", nargs="+", default=[DEFAULT_CHECKPOINT], metavar="NAME")
    parser.add_argument("--step-seconds", default=0.02, type=float)
    parser.add_argument("--load-seconds", default=0.5, type=float)
    return parser.parse_args()


def main() -> None:
    """Serve until interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    wanted = arguments()
    pace = Pace(wanted.step_seconds, wanted.load_seconds)
    server = Server(Options(wanted.base_directory, tuple(wanted.checkpoint), pace))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(wanted.listen, wanted.port, announce))


def announce(url: str) -> None:
    """Log the URL of the server."""
    log.info("ComfyUI stand-in at %s", url)


if __name__ == "__main__":
    main()
