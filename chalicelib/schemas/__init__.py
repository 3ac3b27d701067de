"""Request types with their limits (see the README): the single source of validation."""
