"""Remote things, one a file; each receives its client and speaks in Darkroom's words."""
