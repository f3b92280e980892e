"""From a TOML file or keywords to a checked sweep. No JAX."""
