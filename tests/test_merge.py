"""Journals in fewer files say the same."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import small
import xarray as xr

import adam_vs_gd as ag
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.lock import held
from adam_vs_gd.store.verify import verify

SPEC = importlib.util.spec_from_file_location("merge", Path(__file__).parent.parent / "results" / "merge.py")
merging = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(merging)


@pytest.fixture
def folder(tmp_path):
    for seeds in (1, 2, 3):  # each leaves chunks of its own
        ag.run_sweep(small.spec(seeds=seeds), out=tmp_path / "sweep", quiet=True)
    return tmp_path / "sweep"


def test_journals_in_fewer_files_say_the_same(folder):
    results, survey, files = ag.load_results(folder), Folder(folder).journal.survey(), Folder(folder).journal.files()
    merging.merge(folder)
    xr.testing.assert_identical(ag.load_results(folder), results)
    merged = Folder(folder).journal
    assert len(merged.files()) < len(files)
    assert merged.survey().done == survey.done
    assert sum(merged.survey().seconds) == pytest.approx(sum(survey.seconds))
    assert verify(Folder(folder)).whole
    left = [(path.name, path.read_bytes()) for path in merged.files()]
    merging.merge(folder)
    assert [(path.name, path.read_bytes()) for path in merged.files()] == left


def test_chunks_that_were_computed_otherwise_or_are_large_stay_alone(folder, monkeypatch):
    chunk = next(iter(Folder(folder).journal.chunks()))

    def by(key, value):
        return chunk | {"about": np.array(json.dumps(json.loads(str(chunk["about"])) | {key: value}))}

    assert [len(file) for file in merging.bundled([chunk, by("seconds", 5.0), chunk])] == [3]
    assert [len(file) for file in merging.bundled([chunk, by("versions", "jax 0"), chunk])] == [2, 1]
    assert [len(file) for file in merging.bundled([chunk, by("kernel", "none")])] == [1, 1]
    larger = {name: array[..., None] if name == "loss" else array for name, array in chunk.items()}
    assert [len(file) for file in merging.bundled([chunk, larger])] == [1, 1], "arrays that do not fit together"
    monkeypatch.setattr(merging, "MOST", 2 * sum(array.nbytes for array in chunk.values()))
    assert [len(file) for file in merging.bundled([chunk] * 5)] == [2, 2, 1]
    before = {path.name for path in Folder(folder).journal.files()}
    monkeypatch.setattr(merging, "MOST", 0)
    merging.merge(folder)
    assert {path.name for path in Folder(folder).journal.files()} == before


def test_nothing_is_replaced_where_results_would_differ(folder, monkeypatch):
    before = [(path.name, path.read_bytes()) for path in Folder(folder).journal.files()]
    whole = merging.together

    def wrong(chunks):
        lanes, rows, about = whole(chunks)
        return lanes[::-1], rows, about

    monkeypatch.setattr(merging, "together", wrong)
    with pytest.raises(ag.DamageError, match="would not be the same"):
        merging.merge(folder)
    assert [(path.name, path.read_bytes()) for path in Folder(folder).journal.files()] == before


def test_a_folder_in_which_somebody_runs_is_left_alone(folder):
    """A chunk that is committed while files are replaced would be taken for one of the replaced."""
    before = [(path.name, path.read_bytes()) for path in Folder(folder).journal.files()]
    with held(folder, wait=False, say=print), pytest.raises(ag.FolderError, match="wait for it"):
        merging.merge(folder)
    assert [(path.name, path.read_bytes()) for path in Folder(folder).journal.files()] == before
