"""Request types with their limits (DESIGN §3): the one source of validation."""
