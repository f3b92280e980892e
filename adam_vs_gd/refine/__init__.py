"""Where a diagram changes: found by halving cells, and not by filling a grid. No JAX, no files."""
