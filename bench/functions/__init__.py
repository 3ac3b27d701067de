"""Time functions as Lambda runs them: in new processes, from the unpacked package alone."""
