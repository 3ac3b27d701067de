"""Jobs: accepted, driven, ended."""
