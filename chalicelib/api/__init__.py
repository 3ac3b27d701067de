"""The HTTP API: each view parses a request, calls one service and returns a response."""
