"""Anybody's function, or anybody's training, as a problem."""
