"""Exact reformulations of the two-patch problem, each tested against the plain path."""
