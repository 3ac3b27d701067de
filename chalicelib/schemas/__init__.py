"""Request types with their limits (docs/api/generate.md): the single source of validation."""
