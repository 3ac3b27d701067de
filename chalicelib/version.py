"""Which Darkroom this is; the changelog's newest chapter is of this version."""

VERSION = "0.5.0.dev0"
