"""Python's garbage collector, which looks through objects for those that nothing reaches."""

import gc


def import_without_collections() -> None:
    """Collect rarely while modules are imported.

    An import makes 100,000 objects that stay. By default the collector looks through them again and
    again, which takes 5 % of `import app`.
    """
    gc.set_threshold(200_000)


def leave_out_imported() -> None:
    """Leave what was imported out of collections, and collect what is made from now on."""
    gc.freeze()
    gc.set_threshold(10_000)
