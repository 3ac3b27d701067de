"""The bodies of answers. Each `description` says what a field has."""
