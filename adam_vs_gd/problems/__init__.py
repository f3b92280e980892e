"""The kinds of problems that there are."""
