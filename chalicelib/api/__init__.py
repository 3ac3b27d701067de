"""HTTP only: parse, call one thing, answer."""
