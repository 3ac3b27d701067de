"""The functions of Darkroom."""

import gc

# A cold start makes 100,000 objects that stay, and by default Python's garbage collector looks
# through them again and again: 5 % of `import app`, and 3 % with this threshold.
gc.set_threshold(50_000)
