"""Request types with their limits (see the README): the one source of validation."""
