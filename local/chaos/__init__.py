"""`make chaos`: the fault run, which breaks parts of a deployment while jobs run."""
