"""Log lines in the form of ComfyUI's: with terminal colours, whatever reads them."""

import logging

RESET, BOLD = "\033[0m", "\033[1m"
GREEN, YELLOW, RED = "\033[32m", "\033[33m", "\033[31m"
LEVELS = {"INFO": GREEN, "WARNING": BOLD + YELLOW, "ERROR": BOLD + RED}


class ColouredLine(logging.Formatter):
    """Writes the level before each message; a record with `color` is green."""

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        if hasattr(record, "color"):
            message = f"{GREEN}{message}{RESET}"
        return f"{LEVELS.get(record.levelname, '')}[{record.levelname}]{RESET} {message}"
