"""A few of the faults of `faults.py` that befall files, memory and lanes; docs/reliability.md has many."""

import faults
import pytest

FEW = {
    "rotten_chunks": {"count": 200},
    "rotten_checkpoints": {"count": 40},
    "full_disk": {"sizes": (4000,)},
    "bad_folders": {},
    "out_of_memory": {},
    "diverging_lane": {},
}


@pytest.mark.parametrize("fault", FEW)
def test_survives(bench, fault):
    for outcome in getattr(faults, fault)(bench, **FEW[fault]):
        assert outcome.survived, outcome
