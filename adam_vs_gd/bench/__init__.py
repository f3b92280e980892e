"""The engine beside what one would write without it, on the same work: trainings of Table 1's size."""
