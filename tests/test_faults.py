"""A few of the faults of `faults.py` that befall processes, on real ones; docs/reliability.md has many."""

from pathlib import Path

import faults
import numpy as np
import pytest

FEW = {
    "kills": {"count": 30},
    "births": {"count": 8},
    "signals": {"count": 2},
    "two_at_once": {},
    "two_without_locks": {"count": 1},
    "moved_clock": {"moves": (-10,)},
    "edited_spec": {},
}


@pytest.mark.parametrize("fault", FEW)
def test_survives(bench, fault):
    for outcome in getattr(faults, fault)(bench, **FEW[fault]):
        assert outcome.survived, outcome


@pytest.mark.parametrize(("fault", "count"), [("births", 2), ("rotten_chunks", 20)])
def test_survives_a_few(bench, fault, count):
    """Of what is tried more often when all is: kills at a folder's first changes and in training, and bad disks."""
    for outcome in getattr(faults, fault)(bench, count):
        assert outcome.survived, outcome


def test_survives_on_the_way_to_rest(tmp_path):
    """Lanes that have left stay, those that run go on, and t_fit and what was measured there is not lost between."""
    memory = {"16.5kB": "22kB"}  # a copy of the state beside it
    bench = faults.Bench(tmp_path, faults.TO_REST, [memory.get(word, word) for word in faults.NARROW])
    for outcome in [*faults.kills(bench, 14), *faults.signals(bench, 2)]:
        assert outcome.survived, outcome
    rested = {np.frombuffer(row["rest_step"], np.int32).item() for row in faults.rows_of(bench.whole).values()}
    assert len(rested - {-1}) > 1


def test_the_committed_table_has_every_fault_and_no_loss():
    text = (Path(__file__).parent.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 38
    assert sum("worker" in row[0] or "driver" in row[0] or "scheduler" in row[0] for row in rows) >= 12
    assert all(row[2] == row[3] == "0" and row[5].startswith("yes") for row in rows)
