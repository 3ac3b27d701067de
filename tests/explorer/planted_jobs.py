"""Planted defects of jobs, slots, leases, allowances: world, choices, function, table, clause."""

JOBS: list[tuple[str, int, str, str, str] | tuple[str, int, str]] = []
