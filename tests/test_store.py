"""The folder, the journal, and the labelled Dataset."""

import errno
import json
import os
import shutil
from pathlib import Path

import filelock
import numpy as np
import pytest
import small
import xarray as xr
from small import STATUSES

import adam_vs_gd as ag
from adam_vs_gd.engine import estimate
from adam_vs_gd.engine import sweep as engine
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.problems import family_named
from adam_vs_gd.results.dataset import to_dataset
from adam_vs_gd.store import lock, zarr_copy
from adam_vs_gd.store.files import STAGING, publish, unsealed
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.verify import verify

TINY = {"steps": 8, "record": 4, "data": {"n": 4, "d": 12, "s": 3, "test_size": 10}, "model": {"width": 2}}


def tiny(**keys):
    merged = {**TINY, **keys}
    for table in ("data", "model"):
        merged[table] = {**TINY[table], **keys.get(table, {})}
    return small.spec(**merged)


def without_locks(monkeypatch, error):
    """Let every lock fail with this error."""

    def without(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", without)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "sweep"
    spec = tiny(data={"alpha": [0.0, 0.3, 0.6]})
    return spec, out, ag.run_sweep(spec, out, quiet=True)


def test_the_dataset_is_labelled_as_the_spec_says(finished):
    _, _, results = finished
    assert dict(results.sizes) == {"optimizer": 2, "alpha": 3, "seed": 2, "record": 5, "test_record": 5, "class": 2}
    assert results.test_error.dims == ("optimizer", "alpha", "seed")
    assert results.test_error_path.dims == ("optimizer", "alpha", "seed", "test_record")
    assert results.capital_gamma_path.dims == ("optimizer", "alpha", "seed", "record", "class")
    assert results["class"].values.tolist() == [-1, 1]
    assert results.step.values.tolist() == [0, 2, 4, 6, 8]
    assert results.eta.dims == ("optimizer",)
    assert results.beta1.sel(optimizer="adam") == 0.9
    assert np.isnan(results.beta1.sel(optimizer="gd"))
    assert results.d.item() == 12
    results_family = family_named("two_patch")
    for name, variable in results_family.variables(small.spec()).items():
        assert results[name].attrs["long_name"] == variable.long_name
        assert results[name].attrs["symbol"]
        assert np.isfinite(results[name]).all() or name.startswith("best")
    assert results.status.attrs["flag_meanings"].split() == list(STATUSES)
    assert results.status.attrs["flag_values"].tolist() == list(range(len(STATUSES)))
    assert results.status.dtype == np.int8
    assert {"spec", "versions", "device", "precision", "commit"} <= set(results.attrs)
    np.testing.assert_array_equal(results.test_error, results.test_error_path.isel(test_record=-1))
    np.testing.assert_array_equal(results.loss, results.loss_path.isel(record=-1))


def test_what_is_on_disk_is_what_was_returned(finished):
    _, out, results = finished
    xr.testing.assert_identical(ag.load_results(out), results)
    with xr.open_zarr(out / "dataset.zarr", consolidated=False) as stored:
        xr.testing.assert_allclose(stored.load(), results)
    for name in results.variables:
        metadata = json.loads((out / "dataset.zarr" / name / "zarr.json").read_text())
        assert metadata["zarr_format"] == 3
        assert {"name": "zstd", "configuration": {"level": 3, "checksum": True}} in metadata["codecs"], name
    assert {"spec.toml", "journal", "dataset.zarr", "log.txt"} <= {path.name for path in out.iterdir()}


def test_running_again_computes_nothing(finished):
    spec, out, results = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "journal").iterdir()}
    xr.testing.assert_identical(ag.run_sweep(spec, out, quiet=True), results)
    assert {path: path.stat().st_mtime_ns for path in (out / "journal").iterdir()} == before


def test_extending_axes_seeds_and_optimizers_reuses_what_stands(finished, tmp_path):
    spec, _, _ = finished
    first = ag.run_sweep(spec, tmp_path / "sweep", quiet=True)
    before = {path: path.read_bytes() for path in (tmp_path / "sweep" / "journal").iterdir()}
    optimizers = {**spec.optimizers, "signgd": {}}
    more = tiny(seeds=3, data={"alpha": [0.0, 0.1, 0.3, 0.6]}, optimizers=optimizers)
    plan, *_ = estimate.plan_sweep(more, Folder(tmp_path / "sweep"))
    assert plan.lanes == 3 * 4 * 3 - 2 * 3 * 2
    extended = ag.run_sweep(more, tmp_path / "sweep", quiet=True)
    assert (extended.status != 0).all()
    shared = extended.sel(alpha=first.alpha, seed=first.seed, optimizer=first.optimizer)
    for name in first.data_vars:
        np.testing.assert_array_equal(shared[name], first[name])
    for path, content in before.items():
        assert path.read_bytes() == content


def test_a_running_sweep_shows_what_is_there(finished, tmp_path):
    spec, out, results = finished
    partial = Folder(tmp_path / "partial")
    partial.open(spec)
    for path in list((out / "journal").iterdir())[:1]:
        (partial.journal.path / path.name).write_bytes(path.read_bytes())
    seen = ag.load_results(tmp_path / "partial")
    pending = seen.status == STATUSES.index("pending")
    assert 0 < int(pending.sum()) < pending.size
    assert np.isnan(seen.test_error.where(pending, drop=True)).all()
    for name in ("test_error", "loss"):
        np.testing.assert_array_equal(seen[name].where(~pending), results[name].where(~pending))


def test_an_empty_journal_is_all_pending():
    seen = to_dataset(tiny(), [])
    assert (seen.status == 0).all()
    assert np.isnan(seen.test_error).all()


def test_static_axes_and_steps(tmp_path):
    spec = tiny(seeds=1, steps=[4, 8], data={"d": [12, 16]}, optimizers={"gd": {}})
    results = ag.run_sweep(spec, quiet=True)
    assert results.test_error.dims == ("optimizer", "steps", "d", "seed")
    assert results.step.dims == ("steps", "record")
    assert results.step.sel(steps=4).values.tolist() == [0, 1, 2, 3, 4]
    assert results.test_step.sel(steps=8).values.tolist() == [0, 2, 4, 6, 8]
    assert (results.status > 0).all()
    alone = ag.run_sweep(tiny(seeds=1, steps=8, data={"d": 16}, optimizers={"gd": {}}), quiet=True)
    np.testing.assert_array_equal(alone.loss, results.loss.sel(steps=8, d=16))


def test_optimizers_with_lists_of_their_own(tmp_path):
    optimizers = {"adam": {"eta": [1e-3, 1e-2]}, "gd": {"eta": [0.1, 0.3]}, "slow": {"kind": "gd", "eta": 0.01}}
    results = ag.run_sweep(tiny(seeds=1, optimizers=optimizers), tmp_path / "out", quiet=True)
    assert results.test_error.dims == ("optimizer", "eta_index", "seed")
    assert results.eta.dims == ("optimizer", "eta_index")
    assert results.eta.sel(optimizer="gd").values.tolist() == [0.1, 0.3]
    slow = results.sel(optimizer="slow")
    np.testing.assert_array_equal(slow.loss.isel(eta_index=0), slow.loss.isel(eta_index=1))
    plan, *_ = estimate.plan_sweep(ag.SweepSpec(**tiny(seeds=1, optimizers=optimizers).to_dict()))
    assert plan.lanes == 5


def test_no_trajectories():
    results = ag.run_sweep(tiny(record=0, seeds=1), quiet=True)
    assert not [name for name in results.data_vars if name.endswith("_path")]
    assert np.isfinite(results.test_error).all()


def test_linear_model_has_no_width():
    results = ag.run_sweep(
        small.spec(seeds=1, steps=5, record=1, model={"name": "linear"}, optimizers={"gd": {}}), quiet=True
    )
    assert not {"width", "q"} & set(results.coords)
    assert (results.capital_lambda.sel({"class": 1}) == results.feature_learning).all()


def test_folders_that_cannot_be_used(finished, tmp_path):
    spec, out, _ = finished
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ag.FolderError, match="holds something that is not a sweep"):
        ag.run_sweep(spec, tmp_path / "notes", quiet=True)
    with pytest.raises(ag.FolderError, match="is a file"):
        ag.run_sweep(spec, tmp_path / "file", quiet=True)
    with pytest.raises(ag.FolderError, match=r"data\.s: 3 there, 4 here"):
        ag.run_sweep(tiny(data={"s": 4}), out, quiet=True)
    with pytest.raises(ag.FolderError, match=r"optimizers.gd.eta: 0.1 there, 0.2 here"):
        ag.run_sweep(tiny(optimizers={"adam": {"eta": 1e-3}, "gd": {"eta": 0.2}}), out, quiet=True)
    with pytest.raises(ag.FolderError, match="holds no sweep"):
        ag.load_results(tmp_path / "nowhere")
    assert (tmp_path / "notes" / "thesis.tex").read_text() == "x"


def test_overwrite_moves_the_old_folder_aside(tmp_path):
    spec = tiny(seeds=1, optimizers={"gd": {}})
    ag.run_sweep(spec, tmp_path / "sweep", quiet=True)
    ag.run_sweep(tiny(seeds=1, data={"s": 4}, optimizers={"gd": {}}), tmp_path / "sweep", overwrite=True, quiet=True)
    assert ag.load_results(tmp_path / "sweep").s == 4
    (aside,) = [path for path in tmp_path.iterdir() if path.name.startswith("sweep.")]
    assert ag.load_results(aside).s == 3


def test_a_damaged_chunk_is_never_served(finished, tmp_path):
    spec, out, _ = finished
    (path, *_) = sorted((out / "journal").iterdir())
    good = path.read_bytes()
    copy = Folder(tmp_path / "copy")
    copy.open(spec)
    rng = np.random.default_rng(0)
    for where in rng.integers(0, len(good), 60):
        bad = bytearray(good)
        bad[where] ^= 1 << rng.integers(8)
        (copy.journal.path / path.name).write_bytes(bad)
        with pytest.raises(ag.DamageError, match=path.name):
            list(copy.journal.chunks())
    for bad in (good[:-1], good[: len(good) // 2], b"", bytes(len(good))):
        (copy.journal.path / path.name).write_bytes(bad)
        with pytest.raises(ag.DamageError, match=path.name):
            list(copy.journal.chunks())
    (copy.journal.path / path.name).write_bytes(good)
    assert len(list(copy.journal.chunks())) == 1


def test_a_folder_that_died_before_its_spec_was_written_is_empty(finished, tmp_path):
    spec, _, _ = finished
    for name in (".lock", ".holder.json", f"{STAGING}4711.holder.json", f"{STAGING}abc"):
        (tmp_path / name).write_text("")
    Folder(tmp_path).check(spec)


def test_a_repair_that_was_interrupted_is_one_still(finished, tmp_path):
    """A damaged chunk is set aside before its lanes are computed again: in between, they count as damage."""
    _, out, results = finished
    shutil.copytree(out, tmp_path / "copy")
    folder = Folder(tmp_path / "copy")
    path = folder.journal.files()[0]
    held = len(unsealed(path.read_bytes())["lane"])
    for bad in (path.read_bytes()[:-1], b"nothing left of it"):  # whose lanes can be told, and cannot
        path.write_bytes(bad)
        aside = folder.journal.set_aside(path)
        found = verify(folder)
        assert not found.whole
        assert f"{held} lanes that damaged chunks held, or may have, are missing" in str(found)
        xr.testing.assert_identical(engine.repair(folder, Settings(quiet=True)), results)
        assert not aside.exists()
        found = verify(folder)
        assert found.whole, found
        assert engine.repair(folder, Settings(quiet=True)) is None
    assert len(list(folder.journal.damaged.glob("*.replaced*"))) == 2, "what is damaged is kept"


@pytest.mark.parametrize("locks", [True, False])
def test_half_done_files_are_removed_by_who_is_alone(finished, tmp_path, monkeypatch, locks):
    """Without locks nobody knows whether another process still writes them."""
    spec, out, _ = finished
    shutil.copytree(out, tmp_path / "copy")
    folder = Folder(tmp_path / "copy")
    half = [parent / f"{STAGING}abc" for parent in (folder.path, folder.journal.path)]
    for path in half:
        path.write_text("half")
    if not locks:
        without_locks(monkeypatch, errno.ENOLCK)
    ag.run_sweep(spec, folder.path, quiet=True)
    assert [path.exists() for path in half] == [not locks] * 2


def test_the_last_of_two_writers_of_the_zarr_wins(finished, tmp_path):
    spec, out, results = finished
    folder = Folder(tmp_path / "sweep")
    folder.open(spec)
    real, others = Path.rename, iter([True, True])

    def rename(self, target):
        if target == folder.zarr and next(others, False):
            shutil.copytree(out / "dataset.zarr", folder.zarr)
        return real(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        zarr_copy.write(folder.zarr, results)
    assert zarr_copy.says(folder.zarr, results) == "whole"
    assert [path.name for path in folder.path.iterdir() if path.name.startswith(STAGING)] == []


def test_lanes_lost_for_good_are_told(finished, tmp_path):
    _, out, _ = finished
    shutil.copytree(out, tmp_path / "copy")
    folder = Folder(tmp_path / "copy")
    for path in folder.journal.files():
        path.write_bytes(path.read_bytes()[:-1])
    ag.run_sweep(tiny(data={"alpha": [0.0, 0.3]}), folder.path, quiet=True)
    log = folder.log_file.read_text()
    assert "its 4 lanes are computed again, where no other chunk has them; 2 more are lost" in log


def test_chunks_of_another_version_are_named_where_they_are_wanted(finished):
    spec, out, _ = finished
    chunks = list(Folder(out).journal.chunks())
    foreign = {"lane": np.array(["of another version"]), "status": np.array([5])}
    assert to_dataset(spec, [*chunks, foreign]).identical(to_dataset(spec, chunks))
    del chunks[0]["loss"]
    with pytest.raises(ag.FolderError, match="a chunk of this sweep has no loss: another version"):
        to_dataset(spec, chunks)


def test_what_cannot_be_read_is_not_taken_for_nothing(finished, tmp_path, monkeypatch):
    _, out, _ = finished

    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.iterdir", denied)
    with pytest.raises(PermissionError):
        ag.load_results(out)


@pytest.mark.parametrize(
    ("error", "goes_on"), [(errno.ENOLCK, True), (errno.ENOSYS, True), (errno.EOPNOTSUPP, True), (errno.EPERM, False)]
)
def test_file_systems_without_locks(tmp_path, monkeypatch, error, goes_on):
    without_locks(monkeypatch, error)
    told = []
    if goes_on:
        with lock.held(tmp_path, wait=False, say=told.append) as alone:
            assert not alone
            assert lock.holder(tmp_path)["pid"] == os.getpid()
        assert "has no locks" in told[0]
    else:
        with (
            pytest.raises(ag.FolderError, match=r"\.lock: cannot be locked"),
            lock.held(tmp_path, wait=False, say=print),
        ):
            pass


def test_the_lock_of_a_folder_that_was_moved_aside_is_not_ours(tmp_path, monkeypatch):
    """Another process moves the folder away between our opening of the lock's file and our locking of it."""
    here, aside = tmp_path / "sweep", tmp_path / "aside"
    here.mkdir()
    (here / ".lock").touch()
    real, moves = filelock.FileLock.acquire, iter([True])

    def acquire(self, **keys):
        if next(moves, False):
            real(self, **keys)
            here.rename(aside)
            here.mkdir()
            (here / ".lock").touch()
        else:
            real(self, **keys)

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with lock.held(here, wait=False, say=print) as alone:
        assert alone
        monkeypatch.undo()
        with pytest.raises(ag.FolderError, match="runs a sweep in it"), lock.held(here, wait=False, say=print):
            pass


def test_publishing_is_all_or_nothing(tmp_path):
    publish(tmp_path / "a", b"first", replace=False)
    publish(tmp_path / "a", b"second", replace=False)
    assert (tmp_path / "a").read_bytes() == b"first"
    publish(tmp_path / "a", b"third", replace=True)
    assert (tmp_path / "a").read_bytes() == b"third"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_verify_tells_a_damaged_dataset_from_an_older_one(finished, tmp_path):
    spec, out, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    folder = Folder(copy)
    assert str(verify(folder)) == f"{folder.zarr}: whole\n2 chunks checked, 0 damaged; 12 of 12 lanes are there"
    folder.open(tiny(data={"alpha": [0.0, 0.3, 0.6, 0.9]}))
    found = verify(folder)
    assert found.whole
    assert "older than the journal" in str(found)
    assert "12 of 16 lanes are there" in str(found)
    folder.open(spec)
    chunk = max((copy / "dataset.zarr" / "loss_path").rglob("c/**/0"), key=lambda path: path.is_file())
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    found = verify(folder)
    assert not found.whole
    assert "dataset.zarr: damaged" in str(found)
    shutil.rmtree(folder.zarr)
    found = verify(folder)
    assert found.whole
    assert "not there" in str(found)


def test_dataset_zarr_is_in_chunks_of_whole_lanes():
    from adam_vs_gd.store.zarr_copy import ZARR_CHUNK_BYTES, zarr_chunks

    assert zarr_chunks((2, 10, 5), 4) == (2, 10, 5)
    assert zarr_chunks((), 4) == ()
    shape = (3, 50, 40, 101, 1000)
    chunks = zarr_chunks(shape, 4)
    assert chunks == (1, 1, 40, 101, 1000)
    assert np.prod(chunks) * 4 <= ZARR_CHUNK_BYTES
    assert zarr_chunks((10**9, 2), 8) == (ZARR_CHUNK_BYTES // 16, 2)


def test_a_file_system_without_links_still_publishes_once(tmp_path, monkeypatch):
    def without(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", without)
    publish(tmp_path / "a", b"first", replace=False)
    publish(tmp_path / "a", b"second", replace=False)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_committed_files_are_readable_by_others(tmp_path):
    umask = os.umask(0o022)
    try:
        publish(tmp_path / "a", b"x", replace=False)
    finally:
        os.umask(umask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
