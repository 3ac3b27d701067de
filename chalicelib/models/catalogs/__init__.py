"""The catalogs in their table."""
