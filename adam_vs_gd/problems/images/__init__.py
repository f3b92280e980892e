"""A network on a set of images."""
