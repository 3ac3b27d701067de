"""The functions of Darkroom."""

from chalicelib import garbage

garbage.import_without_collections()
