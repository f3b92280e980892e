"""What a sweep leaves on disk: a folder, its journal, its checkpoints. No JAX."""
