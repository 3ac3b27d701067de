"""Fail unless CUDA finds a GPU for the user that runs this. Takes no memory of the GPU."""

import ctypes
import sys


def main() -> None:
    """Exit with CUDA's error, or with the number of GPUs if that is none."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        sys.exit(f"The NVIDIA driver's library cannot be loaded: {error}")
    count = ctypes.c_int()
    error = cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count))
    if error:
        sys.exit(f"CUDA error {error}")
    if not count.value:
        sys.exit("CUDA finds no GPU")


main()
