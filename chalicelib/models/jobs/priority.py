"""The priorities of jobs: which of one owner's jobs come first."""

INTERACTIVE, BATCH = "interactive", "batch"
