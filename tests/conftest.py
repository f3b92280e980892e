import jax
import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("steady")


@pytest.fixture(autouse=True, scope="session")
def _on_cpu():
    """Tests assert bitwise equalities that hold on a CPU, and must not fight over a GPU."""
    with jax.default_device(jax.devices("cpu")[0]):
        yield
