"""JAX, loaded for whoever did not ask for it by name: what goes wrong then is about this machine, and said so."""

from adam_vs_gd.errors import MachineError, first_line


def load_jax(*, idle: bool = False) -> None:
    """Import JAX, which reads its environment variables then.

    Args:
        idle: whether others train; then this process takes no memory of an accelerator from them.

    Raises:
        MachineError: if it cannot, with what it says.
    """
    try:
        import jax

        if idle:
            jax.config.update("jax_platforms", "cpu")
    except Exception as error:  # whatever it raises at a value that it does not know, or without its other half
        raise MachineError(
            f"JAX cannot be loaded: {first_line(error)}; mend its environment variables, or install it again"
        ) from None
