"""API keys and what they may do."""
