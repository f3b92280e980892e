"""Results in an object store: a real client, and a server that speaks S3's protocol."""

import collections
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
import small
import tomli_w
import xarray as xr
from patience import HUNG

import adam_vs_gd as ag
from adam_vs_gd.cli import main
from adam_vs_gd.store import mirror as mirroring
from adam_vs_gd.store import remote as remotes
from adam_vs_gd.store.checkpoint import Checkpoints
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.journal import Journal
from adam_vs_gd.store.mirror import Mirror, chunks_in, object_of
from adam_vs_gd.store.remote import HOLDER, Remote

s3fs = pytest.importorskip("s3fs")
exceptions = pytest.importorskip("botocore.exceptions")
servers = pytest.importorskip("moto.moto_server.threaded_moto_server")

SPEC = small.spec(steps=40, record=2, seeds=2, optimizers={"adam": {}, "gd": {}}, data={"alpha": [0.0, 0.2, 0.4, 0.6]})
WIDER = small.spec(
    steps=40, record=2, seeds=2, optimizers={"adam": {}, "gd": {}}, data={"alpha": [0.0, 0.2, 0.4, 0.6, 0.8]}
)
NARROW = {"memory": 100_000, "devices": 1, "quiet": True}
LANES = 16


class Server:
    """A server that can be stopped, and started again with all that it had.

    Its requests come one after another: moto looks whether there is an object, and then puts one, in two steps, which
    S3 does in one.
    """

    def __init__(self):
        self.port, self.up, self.taking_turns = 0, False, threading.Lock()
        self.start()

    def start(self):
        if self.up:
            return
        self.up = True
        self.server = servers.ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self.server.start()
        self.port = self.server.get_host_and_port()[1]
        app = self.server._server.app

        def one_by_one(environ, start_response):
            with self.taking_turns:
                return app(environ, start_response)

        self.server._server.app = one_by_one

    def stop(self):
        self.up = False
        self.server.stop()
        self.server._server.server_close()


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def machine(server, tmp_path, monkeypatch):
    """A machine with credentials, and nothing in its cache; call it for another one."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(remotes, "POLL_SECONDS", 0.05)

    def another(name="another"):
        monkeypatch.setattr(remotes.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / name)

    another("machine")
    return another


@pytest.fixture
def address(request, server):
    if not s3fs.S3FileSystem().exists("bucket"):
        s3fs.S3FileSystem().mkdir("bucket")
    return "s3://bucket/" + "".join(c for c in request.node.name if c.isalnum() or c == "_")


@pytest.fixture(scope="module")
def alone():
    return ag.run_sweep(SPEC, **NARROW)


def trained(monkeypatch):
    """Counts lanes that are committed from now on."""
    counted, real = [], Journal.commit

    def commit(journal, lanes, *rest):
        counted.extend(lanes)
        real(journal, lanes, *rest)

    monkeypatch.setattr(Journal, "commit", commit)
    return counted


def put_damaged(remote, count=1):
    """Flip a bit in the middle of some chunks of a store; their names."""
    names = sorted(chunks_in(remote))[:count]
    for name in names:
        content = bytearray(remote.get(object_of(name)))
        content[len(content) // 2] ^= 1
        remote.put(object_of(name), bytes(content))
    return names


def test_the_first_of_two_writers_wins(address):
    wins = collections.defaultdict(list)
    both = threading.Barrier(2)

    def write(who):
        remote = Remote(address)
        remote.names()
        for k in range(150):
            both.wait()
            if remote.publish(f"journal/{k}", who * 2000):
                wins[k].append(who)

    writers = [threading.Thread(target=write, args=(who,)) for who in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [len(won) for won in wins.values()] == [1] * 150
    assert len({won[0] for won in wins.values()}) == 2, "each was first sometimes"
    assert all(Remote(address).get(f"journal/{k}") == won[0] * 2000 for k, won in wins.items())


def test_a_sweep_is_what_it_is_in_memory(address, alone, machine, monkeypatch):
    results = ag.run_sweep(SPEC, address, **NARROW)
    assert results.identical(alone)
    assert ag.load_results(address).identical(alone)
    remote = Remote(address)
    names = remote.names()
    assert {"spec.toml", "log.txt", "dataset.zarr/zarr.json"} <= names.keys()
    assert chunks_in(remote).keys() == Folder(address).journal.found().keys()
    assert len(chunks_in(remote)) > 2
    assert HOLDER not in names
    assert not [name for name in names if name.startswith(".")]
    machine()
    assert ag.load_results(address).identical(alone)
    counted = trained(monkeypatch)
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    assert not counted
    assert ag.run_sweep(WIDER, address, **NARROW).sel(alpha=alone.alpha).test_error.equals(alone.test_error)
    assert len(counted) == 4
    assert ag.load_results(address).sizes["alpha"] == 5


def test_its_dataset_can_be_opened_where_it_is(address, alone):
    ag.run_sweep(SPEC, address, **NARROW)
    with xr.open_zarr(f"{address}/dataset.zarr", consolidated=False, mask_and_scale=False) as stored:
        assert stored.test_error.load().equals(alone.test_error)


def test_killed_and_continued_on_another_machine(address, alone, tmp_path, machine, monkeypatch):
    script = (
        "import os, signal\n"
        "import test_remote as t\n"
        "real, put = t.Mirror.put, []\n"
        "def dies(mirror, name):\n"
        "    real(mirror, name)\n"
        "    put.append(name)\n"
        "    if len(put) == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.Mirror.put = dies\n"
        f"t.ag.run_sweep(t.SPEC, {address!r}, **t.NARROW)\n"
    )
    paths = os.pathsep.join([os.path.dirname(__file__), os.path.dirname(os.path.dirname(ag.__file__))])
    killed = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(tmp_path / "a")}
    )
    assert killed.returncode == -signal.SIGKILL
    remote = Remote(address)
    assert len(chunks_in(remote)) == 2
    assert remote.holder() is not None
    machine()
    there = sum(len(rows["lane"]) for rows in Folder(address).refresh().journal.chunks())
    machine("a third")
    counted = trained(monkeypatch)
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    assert 0 < len(counted) == LANES - there < LANES


def test_an_interrupted_chunk_is_continued_on_another_machine(address, alone, machine, monkeypatch):
    """A first chunk that is stopped between two segments; and a checkpoint of which a bit flips on the way."""

    def commit(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "commit", commit)
        with pytest.raises(KeyboardInterrupt):
            ag.run_sweep(SPEC, address, checkpoint_every=0, **NARROW)
    remote = Remote(address)
    (name,) = remote.names("checkpoints")
    assert not chunks_in(remote)
    machine()
    content = bytearray(good := remote.get(name))
    content[len(content) // 2] ^= 1
    remote.put(name, bytes(content))
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    assert not remote.names("checkpoints"), "what is done needs none"
    s3fs.S3FileSystem().rm(address, recursive=True)
    machine("a third")
    remote.put("spec.toml", tomli_w.dumps(SPEC.to_dict()).encode())
    remote.put(name, good)
    loaded, real = [], Checkpoints.load

    def load(checkpoints):
        for snapshot in real(checkpoints):
            loaded.append(snapshot.step)
            yield snapshot

    monkeypatch.setattr(Checkpoints, "load", load)
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    assert loaded == [int(name.rpartition("/")[2].removesuffix(".tar"))]


def test_what_is_damaged_there_is_never_served(address, alone, machine, capsys):
    ag.run_sweep(SPEC, address, **NARROW)
    remote = Remote(address)
    (name,) = put_damaged(remote)
    assert ag.load_results(address).identical(alone), "this machine has its own copy"
    machine()
    with pytest.raises(ag.DamageError, match=name):
        ag.load_results(address)
    assert main(["verify", address]) == 1
    assert f"{name}.npz: damaged" in capsys.readouterr().out
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone), "its lanes are trained again"
    assert len([path for path in remote.names("damaged") if name in path]) == 1
    machine("a third")
    assert ag.load_results(address).identical(alone)
    assert main(["verify", address]) == 0


def cut(monkeypatch, reads):
    """Of the first reads of a chunk the end is missing."""
    left, fetch, get = [reads], Remote.fetch, Remote.get

    def less(name, content):
        if left[0] and content and name.startswith("journal/"):
            left[0] -= 1
            return content[:-100]
        return content

    monkeypatch.setattr(Remote, "fetch", lambda *given: ((name, less(name, found)) for name, found in fetch(*given)))
    monkeypatch.setattr(Remote, "get", lambda remote, name: less(name, get(remote, name)))


def test_one_bad_read_harms_nothing(address, alone, machine, monkeypatch):
    ag.run_sweep(SPEC, address, **NARROW)
    machine()
    counted = trained(monkeypatch)
    cut(monkeypatch, 1)
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    assert not counted
    assert not Remote(address).names("damaged")


def test_what_is_damaged_there_and_here_is_moved_aside(address, alone, machine):
    ag.run_sweep(SPEC, address, **NARROW)
    (name,) = put_damaged(remote := Remote(address))
    path = Folder(address).journal.path / f"{name}.npz"
    path.unlink()
    path.write_bytes(remote.get(object_of(name)))
    assert main(["verify", address, "--repair", "--devices", "1", "--memory", "100000", "--quiet"]) == 0
    assert len(remote.names("damaged")) == 1
    machine()
    assert ag.load_results(address).identical(alone)


def test_a_store_that_is_just_at_it_is_asked_again(address, monkeypatch):
    conflicts, real = [5], s3fs.S3FileSystem._pipe_file

    async def pipe_file(files, *given, **keys):
        if conflicts[0]:
            conflicts[0] -= 1
            said = {"Error": {"Code": "ConditionalRequestConflict", "Message": "a conflicting operation"}}
            raise s3fs.errors.translate_boto_error(exceptions.ClientError(said, "PutObject"))
        return await real(files, *given, **keys)

    monkeypatch.setattr(remotes, "CONFLICT_SECONDS", 0.01)
    monkeypatch.setattr(s3fs.S3FileSystem, "_pipe_file", pipe_file)
    assert Remote(address).publish("x", b"mine")
    assert not Remote(address).publish("x", b"mine")
    conflicts[0] = 6
    with pytest.raises(ag.FolderError, match="a conflicting operation"):
        Remote(address).publish("y", b"mine")


def test_repair_mends_a_store(address, alone, machine, capsys, monkeypatch):
    ag.run_sweep(SPEC, address, **NARROW)
    put_damaged(remote := Remote(address))
    counted = trained(monkeypatch)
    assert main(["verify", address, "--repair", "--quiet"]) == 0
    assert not counted, "put again from this machine's copy"
    machine()
    (name,) = put_damaged(remote)
    assert main(["verify", address, "--repair", "--devices", "1", "--memory", "100000", "--quiet"]) == 0
    assert 0 < len(counted) < LANES
    assert len([path for path in remote.names("damaged") if name in path]) == 2
    machine("a third")
    assert ag.load_results(address).identical(alone)
    assert main(["verify", address]) == 0


def test_a_damaged_object_under_the_name_of_a_chunk_is_replaced(address, alone):
    """Somebody else's object is there before the chunk is put."""
    remote, real = Remote(address), Mirror.put
    spoiled = []

    def put(mirror, name):
        if not spoiled:
            spoiled.append(name)
            remote.put(object_of(name), b"nonsense")
        real(mirror, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Mirror, "put", put)
        assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    (aside,) = remote.names("damaged")
    assert remote.get(aside) == b"nonsense"
    assert spoiled[0] in aside
    assert "is damaged" in remote.get("log.txt").decode()


@pytest.mark.parametrize("back", [True, False])
def test_a_network_that_goes_away(address, alone, server, machine, monkeypatch, back):
    """The server is stopped when it has the first chunk, and is back when the run ends; or when the next begins."""
    put, stopped = Mirror.put, threading.Event()
    commit, finish = Journal.commit, Mirror.finish

    def stops(mirror, name):
        put(mirror, name)
        if not stopped.is_set():
            server.stop()
            stopped.set()

    def waits(journal, *arguments):
        commit(journal, *arguments)
        if len(journal.found()) == 2:
            assert stopped.wait(HUNG)
        if len(journal.found()) == 3:
            while "it goes on without" not in Folder(address).log_file.read_text():
                time.sleep(0.01)

    def starts(mirror, **keys):
        assert mirror.trouble
        if back:
            server.start()
        finish(mirror, **keys)

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(mirroring, "BEAT_SECONDS", 0.2)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "put", stops)
            patch.setattr(Journal, "commit", waits)
            patch.setattr(Mirror, "finish", starts)
            if back:
                assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
            else:
                with pytest.raises(ag.DiskError, match="nothing is lost: the same command puts it"):
                    ag.run_sweep(SPEC, address, **NARROW)
    finally:
        server.start()
    log = Folder(address).log_file.read_text()
    assert log.count("it goes on without") == 1
    if not back:
        assert len(Folder(address).journal.found()) > len(chunks_in(Remote(address))) > 0
        counted = trained(monkeypatch)
        assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
        assert not counted
    machine()
    assert ag.load_results(address).identical(alone)


def test_a_second_driver_is_refused_or_waits(address, alone, machine, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real = Mirror.add

    def add(mirror, name):
        real(mirror, name)
        begun.set()
        assert go.wait(HUNG)

    monkeypatch.setattr(Mirror, "add", add)
    first = threading.Thread(target=lambda: ag.run_sweep(SPEC, address, **NARROW))
    first.start()
    try:
        assert begun.wait(HUNG)
        machine()
        with pytest.raises(ag.FolderError, match=r"runs a sweep in it.*--wait"):
            ag.run_sweep(SPEC, address, **NARROW)
    finally:  # or the first would wait where this has failed
        monkeypatch.setattr(Mirror, "add", real)
        go.set()
    assert ag.run_sweep(SPEC, address, wait=True, **NARROW).identical(alone)
    first.join()


def test_two_drivers_that_know_nothing_of_each_other(address, alone, machine, monkeypatch):
    """The first has been taken for dead: both train, each lane is right, and each object was put once."""
    monkeypatch.setattr(remotes, "LEASE_SECONDS", -math.inf)  # whatever it says, and however late that is read
    monkeypatch.setattr(mirroring, "BEAT_SECONDS", 0.05)
    first = []
    thread = threading.Thread(target=lambda: first.append(ag.run_sweep(SPEC, address, **NARROW)))
    thread.start()
    while not Remote(address).holder():
        time.sleep(0.01)
    machine()
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
    thread.join()
    assert first[0].identical(alone)
    machine("a third")
    assert ag.load_results(address).identical(alone)
    assert not Remote(address).names("damaged")


def test_a_holder_that_has_gone_silent_is_taken_for_dead(address, alone, monkeypatch):
    remote = Remote(address)
    remote.put("spec.toml", b"")
    word = remotes.word("token", "training").replace(remotes.socket.gethostname().encode(), b"elsewhere")
    assert remote.publish(HOLDER, word)
    hold = {"say": pytest.fail, "check": lambda: None}
    with pytest.raises(ag.FolderError, match="elsewhere"), remote.held(wait=False, **hold):
        pass
    monkeypatch.setattr(remotes, "LEASE_SECONDS", -1.0)
    with remote.held(wait=False, **hold) as token:
        assert not remote.say("token", "still here")
        assert remote.say(token, "here")
    assert remote.holder() is None


def test_a_copy_of_what_is_there_no_more_is_moved_aside(address, tmp_path):
    ag.run_sweep(SPEC, address, **NARROW)
    s3fs.S3FileSystem().rm(address, recursive=True)
    other = small.spec(steps=20, record=2, seeds=1)
    assert ag.run_sweep(other, address, **NARROW).sizes["seed"] == 1
    assert len(list((tmp_path / "machine" / "stores").iterdir())) == 2
    with pytest.raises(ag.FolderError, match=r"disagrees in a fixed value\n.*steps"):
        ag.run_sweep(SPEC, address, **NARROW)


def stops(monkeypatch, then=lambda: None):
    """A run is stopped before its spec is written."""

    def compute(*_, **__):
        then()
        raise KeyboardInterrupt

    monkeypatch.setattr("adam_vs_gd.engine.sweep.compute", compute)


def test_an_emptied_prefix_is_filled_again_from_a_copy(address, alone, machine, monkeypatch):
    ag.run_sweep(SPEC, address, **NARROW)
    for early in (False, True):
        s3fs.S3FileSystem().rm(address, recursive=True)
        with monkeypatch.context() as patch:
            if early:
                stops(patch)
                with pytest.raises(KeyboardInterrupt):
                    ag.run_sweep(SPEC, address, **NARROW)
                assert "spec.toml" in Remote(address).names()
        counted = trained(monkeypatch)
        assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)
        assert not counted
    machine()
    assert ag.load_results(address).identical(alone)


def test_a_network_that_goes_away_before_anything_is_written(address, alone, server, monkeypatch):
    """That is told in a log, which is then all that the copy has."""
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    try:
        with monkeypatch.context() as patch:
            stops(patch, server.stop)
            with pytest.raises(KeyboardInterrupt):
                ag.run_sweep(SPEC, address, **NARROW)
    finally:
        server.start()
    assert Folder(address).log_file.exists()
    assert not Folder(address).spec_file.exists()
    assert ag.run_sweep(SPEC, address, **NARROW).identical(alone)


def test_a_store_that_stops_reading_is_not_waited_for_for_ever(monkeypatch, tmp_path):
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(remotes, "SEND_SECONDS", 1.0)
    monkeypatch.setattr(remotes, "SLOWEST", 1e8)
    (file := tmp_path / "large").write_bytes(bytes(30_000_000))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        remote = Remote("s3://bucket/deaf")
        monkeypatch.setattr(remotes, "CLIENT", {**remotes.CLIENT, "max_pool_connections": 9})  # a client of its own
        for send in (
            lambda: remote.put("a", bytes(30_000_000)),
            lambda: remote.publish("a", bytes(30_000_000)),
            lambda: remote.put_all({"a": file}),
        ):
            with pytest.raises(ag.FolderError, match=r"is not reached.*were not taken in 1 s"):
                send()


def test_a_smaller_machine_takes_what_a_larger_one_has_put(address, machine):
    def big(hyper, key):
        x = jax.random.normal(key, (1200, 1200)) * hyper["a"]
        return {"e": jnp.abs(x @ x).mean()}

    def run(memory):
        return ag.sweep_function(big, {"a": [1.0, 2.0]}, out=address, seeds=1, memory=memory, devices=1, quiet=True)

    there = run(10**9)
    machine()
    assert run(10**6).identical(there)
    machine("a third")
    Remote(address).remove([object_of(name) for name in chunks_in(Remote(address))])
    with pytest.raises(ag.MachineError):
        run(10**6)


def test_another_sweep_that_comes_between_is_not_mixed_with(address, monkeypatch):
    """It is put after the first look, and before this run is the only one."""
    other, real = small.spec(steps=20, record=2, seeds=1), Remote.held

    def held(remote, **keys):
        remote.put("spec.toml", tomli_w.dumps(other.to_dict()).encode())
        return real(remote, **keys)

    monkeypatch.setattr(Remote, "held", held)
    with pytest.raises(ag.FolderError, match="disagrees in a fixed value"):
        ag.run_sweep(SPEC, address, **NARROW)
    assert Remote(address).names().keys() == {"spec.toml"}


def test_word_is_left_while_many_chunks_are_put(address, machine, monkeypatch):
    """A copy with chunks that the store lacks, some of them in the queue and some at the end."""
    ag.run_sweep(SPEC, address, **NARROW)
    remote, folder = Remote(address), Folder(address)
    said, real = [], Remote.publish

    def publish(remote, name, content):
        time.sleep(0.05)
        said.append(name)
        return real(remote, name, content)

    monkeypatch.setattr(mirroring, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(Remote, "say", lambda *_: said.append("word") or True)
    monkeypatch.setattr(Remote, "publish", publish)
    for end in (False, True):
        remote.remove([object_of(name) for name in chunks_in(remote)])
        said.clear()
        mirror = Mirror(remote, "token", folder.path, folder.journal, pytest.fail)
        mirror.finish(whole=False) if end else mirror.waiting.extend(mirror.lacking()) or mirror.put_waiting()
        assert len(said) > 4
        assert said[1::2] == ["word"] * (len(said) // 2)


def test_what_cannot_be_used_is_said_before_anything_is_computed(address, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("adam_vs_gd.engine.sweep.compute", lambda *_, **__: pytest.fail("computes"))
    for place, says in (
        ("s3://nowhere/x", "there is no such bucket"),
        ("s3://", "must be s3://bucket/prefix"),
        ("s3://bucket/a*", "must be s3://bucket/prefix"),
        ("gs://bucket/x", "must begin with s3://"),
        (Path("s3://bucket/x"), "an address must be text"),
    ):
        with pytest.raises(ag.FolderError, match=says) as caught:
            ag.run_sweep(SPEC, place, **NARROW)
        assert "\n" not in str(caught.value)
    with pytest.raises(ag.FolderError, match="holds no sweep"):
        ag.load_results(address)
    with pytest.raises(ag.FolderError, match="--overwrite cannot"):
        ag.run_sweep(SPEC, address, overwrite=True, **NARROW)
    Remote(address).put("notes.md", b"mine")
    with pytest.raises(ag.FolderError, match=r"is not a sweep \(notes.md"):
        ag.run_sweep(SPEC, address, **NARROW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Remote, "publish", lambda *_: True)
        with pytest.raises(ag.FolderError, match="does not heed If-None-Match"):
            ag.run_sweep(SPEC, address, **NARROW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(ag.FolderError, match=r"needs s3fs; pip install 'adam-vs-gd\[s3\]'"):
            ag.run_sweep(SPEC, address, **NARROW)
    monkeypatch.setattr(remotes, "CLIENT", {"connect_timeout": 1})  # or a client that has credentials is used again
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ag.FolderError, match="set AWS_ACCESS_KEY_ID"):
        ag.run_sweep(SPEC, address, **NARROW)


def test_what_is_no_address_is_a_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in ("C://Users/x", "runs/a://b", str(tmp_path / "x://y")):
        assert Folder(place).remote is None
    for command in (["reproduce", "figure1"], ["bench"]):
        assert main([*command, "--out", "s3://bucket/x"]) == 2
        assert "s3://bucket/x: must be a file or folder of this machine" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_line(address, tmp_path, capsys, alone):
    (file := tmp_path / "spec.toml").write_text(tomli_w.dumps(SPEC.to_dict()))
    options = ["--devices", "1", "--memory", "100000", "--quiet"]
    assert main(["sweep", str(file), "--out", address, "--dry-run", *options]) == 0
    capsys.readouterr()
    assert main(["sweep", str(file), "--out", address, *options]) == 0
    out = capsys.readouterr().out
    assert f"{address}/dataset.zarr" in out
    assert f"{address}/figures/" in out
    assert main(["show", address]) == 0
    assert main(["plot", address]) == 0
    assert main(["report", address]) == 0
    assert f"{address}/report.html" in capsys.readouterr().out
    names = Remote(address).names()
    assert {"report.html"} <= names.keys()
    assert {name.rpartition(".")[2] for name in names if name.startswith("figures/")} == {"png", "csv"}
    assert not [path for path in tmp_path.iterdir() if path.name not in ("spec.toml", "machine")]
