"""In the place of the bundle's program of this name, as the machine has no CUDA."""

import subprocess
import sys

sys.exit(subprocess.run(["nvidia-smi"], check=False).returncode)
