"""GPU instances: their inventory and state, starting and stopping, and their slots."""
