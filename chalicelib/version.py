"""The version of Darkroom; the changelog's newest section is of this version."""

VERSION = "0.5.0.dev0"
