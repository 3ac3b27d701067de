"""Static pages that need no API key, as a function of its own."""
