"""What trainings of any model have in common."""
