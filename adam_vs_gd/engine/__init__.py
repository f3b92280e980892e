"""Any problem: planned, compiled, run in chunks, interrupted, resumed."""
