"""A few of each of the faults of `faults.py`, on real processes; docs/reliability.md has many."""

import os
from pathlib import Path

import faults
import pytest


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    before = os.environ.get("XDG_CACHE_HOME")
    with faults.bench_in(tmp_path_factory.mktemp("faults")) as bench:
        yield bench
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


FEW = {
    "kills": {"count": 30},
    "births": {"count": 8},
    "signals": {"count": 2},
    "rotten_chunks": {"count": 200},
    "rotten_checkpoints": {"count": 40},
    "full_disk": {"sizes": (4000,)},
    "bad_folders": {},
    "two_at_once": {},
    "two_without_locks": {"count": 2},
    "moved_clock": {"moves": (-10,)},
    "edited_spec": {},
    "out_of_memory": {},
    "diverging_lane": {},
}


@pytest.mark.parametrize("fault", FEW)
def test_survives(bench, fault):
    for outcome in getattr(faults, fault)(bench, **FEW[fault]):
        assert outcome.survived, outcome


def test_the_committed_table_has_every_fault_and_no_loss():
    text = (Path(__file__).parent.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 25
    assert all(row[2] == row[3] == "0" and row[5].startswith("yes") for row in rows)
