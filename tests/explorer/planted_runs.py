"""Planted defects of schedules and runs: world, choices, function, table, clause."""

RUNS: list[tuple[str, int, str, str, str] | tuple[str, int, str]] = []
