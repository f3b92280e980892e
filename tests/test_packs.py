"""Packs of chunks, a Dataset from chunks in any order, and how lanes are named: what a journal of 10^5 chunks needs."""

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small
import xarray as xr

import adam_vs_gd as ag
from adam_vs_gd.engine import sweep as engine
from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.results.dataset import layout, to_dataset
from adam_vs_gd.spec.cells import cells, digest_of
from adam_vs_gd.store.files import unsealed
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.journal import Journal
from adam_vs_gd.store.pack import pieces, places
from adam_vs_gd.store.verify import verify

LANES = 3  # of a chunk
NARROW = {"devices": 1, "path": "reference", "memory": 8000, "quiet": True}


def made(path, chunks, first=0):
    """A journal of so many chunks."""
    journal, rng = Journal(path / "journal", path / "damaged"), np.random.default_rng(first)
    journal.path.mkdir(exist_ok=True)
    for k in range(first, first + chunks):
        lanes = [hashlib.sha256(f"{k} {i}".encode()).hexdigest() for i in range(LANES)]
        rows = {"loss": rng.random(LANES), "capital_gamma": rng.random((LANES, 2 + k % 3)).astype(np.float32)}
        journal.commit(lanes, rows, {"platform": "cpu", "versions": str(k % 2), "width": k, "seconds": 0.5 * k})
    return journal


def loose(journal):
    """{name: bytes} of the chunks that are files of their own."""
    return {path.stem: path.read_bytes() for path in journal.files()}


def in_packs(journal):
    """{name: bytes} of those in packs, none twice."""
    found = [(piece.name, piece.content) for path in journal.packs() for piece in pieces(path)]
    assert len(dict(found)) == len(found)
    return dict(found)


def lanes_of(contents):
    """The lanes of chunks."""
    return {str(lane) for content in contents for lane in unsealed(content, 1)["lane"]}


def test_packing_keeps_every_byte(tmp_path):
    journal = made(tmp_path, 27)
    before, surveyed = loose(journal), journal.survey()
    journal.pack(size=4)
    assert len(journal.packs()) == 6
    assert len(journal.files()) == 3
    assert in_packs(journal) | loose(journal) == before
    after = journal.survey()
    assert (after.done, after.about, after.damaged) == (surveyed.done, surveyed.about, [])
    assert sorted(after.seconds) == sorted(surveyed.seconds) == [0.5 * k for k in range(27)]
    read = {digest_of(rows["lane"].tolist()): rows for rows in journal.chunks()}
    for name, content in before.items():
        for key, values in unsealed(content).items():
            assert read[name][key].tobytes() == values.tobytes()
    packs = {path: path.stat().st_mtime_ns for path in journal.packs()}
    made(tmp_path, 9, first=27).pack(size=4)
    assert len(journal.packs()) == 9
    assert {path: path.stat().st_mtime_ns for path in packs} == packs, "a pack is written once"
    assert len(journal.survey().seconds) == 36


def test_few_chunks_are_never_packed(tmp_path):
    journal = made(tmp_path, 8)
    journal.pack(size=4)
    journal.pack()
    assert journal.packs() == []
    assert len(journal.files()) == 8


def test_what_is_damaged_or_large_is_not_packed(tmp_path, monkeypatch):
    journal = made(tmp_path, 12)
    bad, misnamed, *_ = journal.files()
    bad.write_bytes(bad.read_bytes()[:-1])
    misnamed.rename(misnamed.with_stem("0" * 32))
    monkeypatch.setattr("adam_vs_gd.store.journal.SMALL", 10_000)
    journal.commit(["large"], {"loss": np.zeros((1, 2000))}, {})
    journal.pack(size=4)
    assert {bad.stem, "0" * 32, digest_of(["large"])} <= {path.stem for path in journal.files()}
    assert len(in_packs(journal)) == 10
    assert [damage.path for damage in journal.survey().damaged] == [bad]


def test_a_chunk_that_is_packed_and_committed_again_counts_once(tmp_path):
    """A worker that everybody took for dead may write what is in a pack."""
    journal = made(tmp_path, 8)
    files = {path: path.read_bytes() for path in journal.files()}
    journal.pack(size=3)
    again = [path for path in files if not path.exists()][:3]
    for path in again:
        path.write_bytes(files[path])
    assert len(journal.survey().seconds) == len(list(journal.chunks())) == 8
    again[0].write_bytes(b"damaged")
    (damage,) = journal.survey().damaged
    assert damage.path == again[0]
    assert journal.survey().done == lanes_of(files.values())
    made(tmp_path, 4, first=8).pack(size=2)
    assert [path.exists() for path in again] == [True, False, False], "only what a pack has byte for byte is removed"
    assert in_packs(journal).keys() & loose(journal).keys() == {again[0].stem}


KILLED = """
import os, sys
from pathlib import Path
from faults import kill_at_file_event
from adam_vs_gd.store.journal import Journal
for k, folder in enumerate(map(Path, sys.argv[1:]), 1):
    if pid := os.fork():
        print(os.WTERMSIG(os.waitpid(pid, 0)[1]))
    else:
        kill_at_file_event(folder, "journal", k)
        Journal(folder / "journal", folder / "damaged").pack(size=4)
        os._exit(0)
"""


def test_a_kill_at_any_change_of_files_loses_nothing(tmp_path):
    whole = loose(made(tmp_path, 10))
    folders = [tmp_path / f"killed-{k}" for k in range(20)]
    for folder in folders:
        shutil.copytree(tmp_path / "journal", folder / "journal")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", KILLED, *folders], capture_output=True, text=True, env=environment)
    killed = [int(line) == signal.SIGKILL for line in done.stdout.split()]
    assert killed == sorted(killed, reverse=True), done.stderr
    assert 10 < sum(killed) < len(folders), "some are not killed, because there are no more changes"
    for folder in folders:
        journal = Journal(folder / "journal", folder / "damaged")
        survey = journal.survey()
        assert survey.done == lanes_of(whole.values())
        assert not survey.damaged
        assert len(survey.seconds) == 10
        assert in_packs(journal) | loose(journal) == whole
        made(folder, 10, first=10).pack(size=4)
        assert not in_packs(journal).keys() & loose(journal).keys(), "what was left twice is removed by the next"
        assert len(in_packs(journal) | loose(journal)) == 20


@pytest.mark.parametrize("moment", ["packs are listed", "files are listed", "a file is read"])
def test_a_reader_misses_no_lane_that_is_packed_meanwhile(tmp_path, moment):
    other, once = made(tmp_path, 12), iter([True])
    whole = lanes_of(loose(other).values())

    def at(now):
        if now == moment and next(once, False):
            other.pack(size=4)
            assert other.files() == []

    class Watched(Journal):
        def packs(self):
            found = super().packs()
            at("packs are listed")
            return found

        def files(self):
            found = super().files()
            at("files are listed")
            return found

    lanes = []
    for rows, damage in Watched(other.path, other.damaged).read(1):
        lanes += rows["lane"].tolist()
        assert damage is None
        at("a file is read")
    assert set(lanes) == whole
    assert len(lanes) == len(whole), "none twice"


def test_readers_beside_a_process_that_packs(tmp_path):
    journal = made(tmp_path, 120)
    whole = lanes_of(loose(journal).values())
    script = (
        "import sys; from pathlib import Path; from adam_vs_gd.store.journal import Journal\n"
        "path = Path(sys.argv[1]); Journal(path / 'journal', path / 'damaged').pack(size=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path])
    seen = set()
    while process.poll() is None:
        survey = journal.survey()
        assert survey.done == whole
        assert not survey.damaged
        seen.add(len(journal.packs()))
    assert process.returncode == 0
    assert len(seen) > 2, "packs were read while others were made"
    assert journal.survey().done == whole


@pytest.fixture
def packed_up(tmp_path):
    """A journal with one pack of 12 chunks and nothing else, the chunks, and where each is in it."""
    journal = made(tmp_path, 12)
    whole = loose(journal)
    journal.pack(size=4)
    content = b"".join(path.read_bytes() for path in journal.packs())
    path = journal.path / f"{digest_of(in_packs(journal))}.pack"
    for pack in journal.packs():
        pack.unlink()
    path.write_bytes(content)
    assert not journal.survey().damaged
    return journal, whole, path


def damages(content, rng, count):
    """(what, the bytes it may touch, content after it)."""
    for _ in range(count):
        where = rng.randrange(len(content))
        flipped = bytes([content[where] ^ 1 << rng.randrange(8)])
        yield "flip", (where, where + 1), content[:where] + flipped + content[where + 1 :]
    for _ in range(count // 4):
        where = rng.randrange(len(content))
        yield "truncated", (where, len(content)), content[:where]
        end = rng.randrange(where, len(content)) + 1
        zeroed = content[:where] + bytes(end - where) + content[end:]
        if zeroed != content:
            yield "zeroed", (where, end), zeroed


def test_damage_in_a_pack_is_noticed_and_costs_its_chunks_only(packed_up):
    journal, whole, path = packed_up
    good, at = path.read_bytes(), places(path)
    assert len(at) == 12
    ends = {sum(place) for place in at.values()}
    tries = list(damages(good, random.Random(0), 300))
    tries += [("truncated", (end, len(good)), good[:end]) for end in {0, *ends} - {len(good)}]
    tries += [("more", (len(good), len(good)), good + b"more"), ("more", (0, 0), b"more" + good)]
    (start, _), *_ = at.values()
    tries += [("flip", (k, k + 1), good[:k] + bytes([good[k] ^ 4]) + good[k + 1 :]) for k in range(start)]
    for what, (first, last), bad in tries:
        path.write_bytes(bad)
        survey = journal.survey()
        assert survey.damaged, f"{what} at {first} of {len(good)} not noticed"
        assert {damage.path for damage in survey.damaged} == {path}
        untouched = {name for name, (start, size) in at.items() if last <= start or start + size <= first}
        served = {digest_of(r["lane"].tolist()): r for r, _ in journal.read() if r is not None}
        assert untouched <= served.keys(), f"{what} at {first}: a whole chunk is not served"
        for name, rows in served.items():
            for key, values in unsealed(whole[name]).items():
                assert rows[key].tobytes() == values.tobytes()
        if what == "flip":
            assert len(served) == len(untouched)
            assert len(survey.damaged) == 1
        with pytest.raises(ag.DamageError, match=path.name):
            list(journal.chunks())


def test_what_is_damaged_in_a_pack_is_set_aside_and_the_rest_stays(packed_up):
    journal, whole, path = packed_up
    good = path.read_bytes()
    everything = lanes_of(whole.values())
    for what, _, bad in damages(good, random.Random(1), 24):
        path.write_bytes(bad)
        before = journal.survey()
        journal.set_aside(path)
        after = journal.survey()
        assert not after.damaged
        assert after.done == before.done
        assert journal.lost(everything, after) == everything - before.done, what
        assert in_packs(journal).items() <= whole.items()
        journal.settle(everything, everything)
        assert not list(journal.aside())
        for pack in journal.packs():
            pack.unlink()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    journal.set_aside(path)
    assert path.read_bytes() == good, "a header is written again"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A real sweep of six chunks, packed by twos, and its Dataset as it was before."""
    folder = Folder(tmp_path_factory.mktemp("packs") / "sweep")
    spec = small.spec(
        steps=8, record=0, seeds=3, data={"n": 4, "d": 12, "s": 3, "test_size": 10, "alpha": [0.0, 0.2, 0.4, 0.6]},
        model={"width": 2},
    )  # fmt: skip
    results = ag.run_sweep(spec, folder.path, **NARROW)
    chunks = len(folder.journal.files())
    assert chunks >= 5
    folder.journal.pack(size=2)
    assert len(folder.journal.packs()) == chunks // 2
    return spec, folder, results


def test_a_packed_sweep_is_the_same_sweep(swept, tmp_path):
    spec, folder, results = swept
    xr.testing.assert_identical(ag.load_results(folder.path), results)
    found = verify(folder)
    assert found.whole, found
    assert "24 of 24 lanes are there" in str(found)
    before = {path.name: path.stat().st_mtime_ns for path in folder.journal.path.iterdir()}
    xr.testing.assert_identical(ag.run_sweep(spec, folder.path, **NARROW), results)
    assert {path.name: path.stat().st_mtime_ns for path in folder.journal.path.iterdir()} == before


@pytest.mark.parametrize("how", ["sweep", "repair"])
def test_only_the_lanes_of_a_damaged_chunk_are_computed_again(swept, tmp_path, how):
    spec, whole, results = swept
    shutil.copytree(whole.path, tmp_path / "copy")
    folder = Folder(tmp_path / "copy")
    pack, *others = folder.journal.packs()
    others = {path: path.stat().st_mtime_ns for path in others}
    (name, (start, length)), (kept, _) = places(pack).items()
    good = pack.read_bytes()
    held = lanes_of([good[start : start + length]])
    pack.write_bytes(good[: start + length // 2] + b"rotten" + good[start + length // 2 + 6 :])
    found = verify(folder)
    assert not found.whole
    assert f"{pack}, chunk {name}: damaged" in str(found)
    assert f"it held {len(held)} lanes" in str(found)
    repaired = {"sweep": lambda: ag.run_sweep(spec, folder.path, **NARROW),
                "repair": lambda: engine.repair(folder, Settings(**NARROW))}  # fmt: skip
    again = repaired[how]()
    xr.testing.assert_identical(again, results)
    assert f"{len(held)} lanes to train" in folder.log_file.read_text().split("start on")[-1]
    assert {path: path.stat().st_mtime_ns for path in others} == others
    assert not pack.exists()
    assert kept in in_packs(folder.journal)
    assert [path.name for path in folder.journal.damaged.iterdir()] == [f"{name}.replaced"]
    found = verify(folder)
    assert found.whole, found


def test_a_sweep_packs_when_it_begins_and_ends(swept, tmp_path, monkeypatch):
    spec, _, results = swept
    monkeypatch.setattr(Journal.pack, "__defaults__", (1, Journal.pack.__defaults__[1]))
    folder = Folder(tmp_path / "sweep")
    xr.testing.assert_identical(ag.run_sweep(spec, folder.path, **NARROW), results)
    assert folder.journal.files() == []
    assert len(folder.journal.packs()) >= 5

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    more = made(folder.path, 4).files()
    monkeypatch.setattr("adam_vs_gd.store.journal.packed", full)
    ag.run_sweep(spec, folder.path, **NARROW)
    assert folder.journal.files() == more, "what cannot be packed stays as it is"


def reference(spec, chunks):
    """{name: [cells, ...]} the plain way: for each cell the last chunk, by name, that has its lane."""
    ordered = sorted(chunks, key=lambda rows: digest_of(rows["lane"]))
    found = {name: [] for name, *_ in layout(spec)}
    for _, lane in cells(spec):
        here = [(rows, i) for rows in ordered for i, known in enumerate(rows["lane"]) if known == lane.digest]
        for name, held in found.items():
            held.append(here[-1][0][name][here[-1][1]] if here else None)
    return found


@pytest.mark.parametrize("record", [0, 4])
def test_the_streamed_dataset_is_that_of_the_plain_way(record):
    optimizers = {"adam": {"eta": [1e-3, 1e-2]}, "gd": {"eta": 0.1}}  # whose lanes fill two cells each
    spec = small.spec(seeds=3, record=record, data={"alpha": [0.0, 0.3, 0.6]}, optimizers=optimizers)
    rng, empty = np.random.default_rng(0), to_dataset(spec, [])
    digests = list(dict.fromkeys(lane.digest for _, lane in cells(spec)))
    tails = {name: tuple(tail.values()) for name, tail, _ in layout(spec)}
    chunks = []
    for _ in range(12):  # some lanes in none, some in several that disagree
        lanes = [*rng.choice(digests[:-2], 4, replace=False), "of another sweep"]
        rows = {name: (9 * rng.random((5, *tail))).astype(empty[name].dtype) for name, tail in tails.items()}
        chunks.append({"lane": np.array(lanes), **rows})
    for order in (chunks, chunks[::-1]):
        results = to_dataset(spec, iter(order))
        for name, held in reference(spec, chunks).items():
            for value, want in zip(results[name].values.reshape(len(held), *tails[name]), held, strict=True):
                assert value.dtype == empty[name].dtype
                np.testing.assert_array_equal(value, (0 if name == "status" else np.nan) if want is None else want)
        assert results.drop_vars(tails).identical(empty.drop_vars(tails))


def test_lanes_are_named_by_the_json_of_all_that_determines_them():
    spec = small.spec(seeds=[3, 5], data={"alpha": [0.0, 0.3]})
    for _, lane in cells(spec):
        parts = [*lane.static.identity(lane.hyper), lane.seed, lane.record]
        assert lane.digest == hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    longer = dataclasses.replace(lane, static=dataclasses.replace(lane.static, steps=61))
    parts = [*longer.static.identity(lane.hyper), lane.seed, lane.record]
    assert longer.digest == hashlib.sha256(json.dumps(parts).encode()).hexdigest() != lane.digest


def test_the_benchmark_runs(tmp_path):
    program = Path(__file__).parent.parent / "benchmarks" / "journal.py"
    arguments = ["--chunks", "20", "--lanes", "100", "--out", tmp_path / "figures.json", "--only", "survey"]
    subprocess.run([sys.executable, program, *arguments], check=True, capture_output=True)
    figures = json.loads((tmp_path / "figures.json").read_text())["measured"]
    assert figures.keys() == {"survey"}
    assert all(one["seconds"] > 0 and one["peak"] > 0 for one in figures.values())
