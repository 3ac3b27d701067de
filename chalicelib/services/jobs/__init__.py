"""The life of a job: submit, drive, follow, complete, cancel, clean up."""
