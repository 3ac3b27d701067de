"""`make chaos`: everything that can break is broken while jobs are made."""
