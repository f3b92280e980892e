"""Any labelled Dataset: made of rows, reduced over seeds, selected, crossed. No JAX."""
