"""GPU instances in their table."""
