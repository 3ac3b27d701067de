"""GPU instances: which there are, which serve, start and stop."""
