"""How long tests wait for other processes, on whatever machine and beside whatever else runs there."""

import time

HUNG = 600.0  # seconds after which what is waited for counts as hung


def wait_until(holds, over=lambda: False, text=lambda: "", every=0.002):
    """Wait until something holds, or it is over; whether it holds.

    Raises:
        AssertionError: if neither comes, with the text.
    """
    deadline = time.monotonic() + HUNG
    while not holds():
        if over():
            return holds()
        assert time.monotonic() < deadline, f"not within {HUNG:.0f} s:\n{text()}"
        time.sleep(every)
    return True
