"""Load ComfyUI, and fail if a part of it or a node that Darkroom's workflows use is missing.

try_comfyui.py FILE-OF-NODES MAIN.PY OPTIONS…
"""

import logging
import runpy
import sys
from pathlib import Path

IMPORT_FAILED = "IMPORT FAILED"  # ComfyUI logs it, and starts without the part


class Failures(logging.Handler):
    """Collects the parts that ComfyUI could not import."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if IMPORT_FAILED in text:
            self.found.append(text.strip())


def load(main: str, options: list[str]) -> list[str]:
    """Run main.py until it exits; return what it could not import."""
    failures = Failures()
    logging.getLogger().addHandler(failures)
    sys.argv = [main, *options]
    sys.path.insert(0, str(Path(main).parent))
    try:
        runpy.run_path(main, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    return failures.found


def main() -> None:
    """Exit with what is missing, if anything is."""
    wanted, program, *options = sys.argv[1:]
    failed = load(program, options)
    if failed:
        sys.exit("\n".join(failed))
    known = sys.modules["nodes"].NODE_CLASS_MAPPINGS
    missing = sorted(set(Path(wanted).read_text().split()) - set(known))
    if missing:
        sys.exit(f"ComfyUI lacks nodes that the workflows use: {', '.join(missing)}")


main()
