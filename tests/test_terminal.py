"""What is printed: on terminals of any encoding, and on streams that are closed, full or nobody's any more."""

import ast
import contextlib
import errno
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from patience import HUNG

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.engine import terminal
from adam_vs_gd.engine.progress import progress_on
from adam_vs_gd.store.checkpoint import Checkpoints, Snapshot

PACKAGE = Path(ag.__file__).parent
SPEC = """
name = "tiny"
seeds = 1
steps = 8
record = 4
[data]
n = 4
d = 12
s = [2, 3]
alpha = [0.0, 0.6]
test_size = 10
[model]
width = 2
[optimizers.gd]
"""
ODD = os.fsdecode(b"caf\xe9")  # no name in UTF-8
COMMANDS = {
    "dry run": ["sweep", "tiny.toml", "--dry-run", "--memory", "1GiB"],  # what is free is not the same twice
    "show": ["show", ODD],
    "verify": ["verify", ODD],
    "plot": ["plot", ODD, "--theory", "signal"],
    "report": ["report", ODD],
    "theory": ["theory", "tiny.toml"],
    "theory of results": ["theory", ODD],
    "show as JSON": ["show", ODD, "--json"],
    "theory as JSON": ["theory", "tiny.toml", "--json"],
    "export": ["export", ODD, "--paths"],
    "compare": ["compare", ODD, ODD],
    "spec": ["spec", "tiny.toml"],
    "schema": ["schema"],
    "completion": ["completion", "bash"],
    "new of a name that is none": ["new", "tiny.toml"],
    "no such folder": ["show", f"{ODD}-nowhere"],
    "no such command": ["swep"],
    **{f"{name} --help": [name, "--help"]
       for name in ("sweep", "show", "verify", "plot", "report", "theory", "bench", "reproduce", "export", "compare",
                    "new", "spec", "schema", "completion")},
    "--help": ["--help"],
}  # fmt: skip
HELP = ["plot", "--help"]
LOST = b"adam-vs-gd: what it prints is lost (No space left on device); what it computed is kept\n"
BAD = {"no such folder", "no such command", "new of a name that is none"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder that a sweep was made in by a process in the C locale, without stdin, on a full stderr."""
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "tiny.toml").write_text(SPEC, encoding="utf-8")
    done = process("sweep", "tiny.toml", "--out", ODD, streams="<&- 2>/dev/full", cwd=folder, LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[-1] == b"caf\xe9/dataset.zarr"
    return folder


@pytest.fixture
def here(swept, monkeypatch):
    monkeypatch.chdir(swept)
    monkeypatch.setenv("COLUMNS", "80")
    return swept


def process(*arguments, streams="", cwd=None, **environment):
    """The command line in a process of its own, with redirections of a shell; in a locale that nothing makes UTF-8."""
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", **environment}
    return subprocess.run(
        ["sh", "-c", f'"$@" {streams}', "sh", sys.executable, "-m", "adam_vs_gd", *arguments],
        capture_output=True, cwd=cwd, env=environment, timeout=HUNG,
    )  # fmt: skip


class Faulty(io.RawIOBase):
    """A device that takes nothing while it has a fault."""

    def __init__(self, fault):
        self.fault, self.taken = fault, b""

    def writable(self):
        return True

    def write(self, content):
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        self.taken += bytes(content)
        return len(content)


@contextlib.contextmanager
def streams(monkeypatch, encoding="utf-8", out_fault=0, err_fault=0):
    """stdout and stderr of an encoding, with faults; gives the devices below them."""
    devices = Faulty(out_fault), Faulty(err_fault)
    wrapped = [io.TextIOWrapper(io.BufferedWriter(device), encoding, "strict") for device in devices]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", wrapped[0])
        patch.setattr(sys, "stderr", wrapped[1])
        yield devices
        assert (sys.stdout, sys.stderr) == tuple(wrapped)
    for device, stream in zip(devices, wrapped, strict=True):
        assert device.fault or stream.errors == "strict", "left as it was found"
        device.fault = 0
        stream.close()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_in_every_encoding(here, monkeypatch, name, encoding):
    with streams(monkeypatch, encoding) as (out, err):
        assert cli.main(COMMANDS[name]) == (cli.BAD_INPUT if name in BAD else cli.DONE)
    said = (out.taken + err.taken).decode(encoding, "surrogateescape")
    assert len(said) > 20
    if "--json" in COMMANDS[name]:
        assert json.loads(out.taken.decode(encoding)), "JSON has escapes of its own, which no encoding lacks"
    else:
        assert "\\u" not in said, "an escape where there is a word"


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EPIPE])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_broken_stdout_is_told_on_stderr_and_by_the_status(here, monkeypatch, name, fault):
    with streams(monkeypatch, out_fault=fault) as (_, err):
        status = cli.main(COMMANDS[name])
    if name in BAD:
        assert status == cli.BAD_INPUT
    elif fault == errno.EPIPE:
        assert status == cli.SIGNALLED + signal.SIGPIPE
        assert b"lost" not in err.taken
    else:
        assert status == cli.FAILED
        assert f"adam-vs-gd: what it prints is lost ({os.strerror(fault)})" in err.taken.decode()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_broken_stderr_changes_neither_the_status_nor_stdout(here, monkeypatch, name):
    found = []
    for fault in (0, errno.EPIPE):
        with streams(monkeypatch, err_fault=fault) as (out, _):
            status = cli.main(COMMANDS[name])
        found.append((status, out.taken))
    assert found[0] == found[1]


@pytest.mark.parametrize("missing", ["stdout", "stderr"])
@pytest.mark.parametrize("name", COMMANDS)
def test_without_a_stream_what_belongs_there_is_nowhere(here, monkeypatch, capfd, name, missing):
    expected = cli.BAD_INPUT if name in BAD else cli.DONE
    assert cli.main(COMMANDS[name]) == expected
    whole = capfd.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, missing, None)
        assert cli.main(COMMANDS[name]) == expected
        assert getattr(sys, missing) is None
    found = capfd.readouterr()
    assert getattr(found, missing.removeprefix("std")) == ""
    other = {"stdout": "err", "stderr": "out"}[missing]
    assert getattr(found, other) == getattr(whole, other)


@pytest.mark.parametrize(
    ("arguments", "redirected", "status", "said"),
    [
        (HELP, ">&-", 0, b""),
        (HELP, "2>&-", 0, b""),
        (HELP, "<&- >&- 2>&-", 0, b""),
        (HELP, ">/dev/full", 1, LOST),
        (HELP, ">/dev/full 2>/dev/full", 1, b""),
        ([ODD], "2>/dev/full", 2, b""),
        (["theory", "tiny.toml"], ">/dev/full", 1, LOST),
        (["theory", "tiny.toml"], "2>&-", 0, b""),
    ],
    ids=str,
)
def test_processes_end_as_their_work_did(here, arguments, redirected, status, said):
    """Neither Python nor what it does when it ends says anything more, nor changes the status."""
    done = process(*arguments, streams=redirected, LC_ALL="C")
    assert (done.returncode, done.stderr) == (status, said)
    assert (done.stdout != b"") == (status == 0 and ">&-" not in redirected.split())


def test_a_reader_that_has_read_enough_ends_the_process_as_a_pipe_does(here):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "adam_vs_gd", "plot", "--help"], stdout=pipe, stderr=subprocess.PIPE, timeout=HUNG
        )
    assert (done.returncode, done.stderr) == (cli.SIGNALLED + signal.SIGPIPE, b"")


def test_a_file_never_gets_the_number_of_a_closed_stream(here):
    """What is printed by the libraries below, straight to 1 and 2, would go into it."""
    script = (
        "import os, sys\nfrom adam_vs_gd.engine import terminal\n"
        "with terminal.lasting():\n    sys.exit(0 if os.open('tiny.toml', os.O_RDONLY) > 2 else 1)"
    )
    command = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script]
    assert subprocess.run(command, timeout=HUNG).returncode == 0


def test_progress_of_a_sweep_in_python_needs_no_stderr(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress_on() as progress:
        progress.note("to nobody")


def test_a_stream_that_works_again_is_written_to_again():
    device = Faulty(errno.ENOSPC)
    stream = io.TextIOWrapper(io.BufferedWriter(device), "utf-8")
    progress = progress_on(stream)
    progress.note("lost or late")
    device.fault = 0
    progress.note("in time")
    assert device.taken.endswith(b"in time\n")


@pytest.mark.parametrize(
    ("text", "encoding", "written"),
    [
        ("η = o(λσ_0^q σ_p²)", "ascii", b"eta = o(lambda sigma_0^q sigma_p^2)"),
        ("ηsσ_p, β2, Tη, √d, m/√v", "ascii", b"eta s sigma_p, beta2, T eta, sqrt d, m/sqrt v"),
        ("n·s ≥ d², 3×3", "cp1252", "n·s >= d², 3×3".encode("cp1252")),
        ("‖∇L‖₁ − Õ(1)", "latin-1", "||grad L||_1 - Õ(1)".encode("latin-1")),
        ("α − β", "utf-8", "α − β".encode()),
        ("名", "ascii", b"\\u540d"),
        (ODD, "ascii", b"caf\xe9"),
        (ODD, "utf-8", b"caf\xe9"),
        (ODD, "cp1252", b"caf\xe9"),
        (ODD, "utf-16-le", "caf\\xe9".encode("utf-16-le")),
        (ODD, "gbk", b"caf\\xe9"),
        ("\ud800", "utf-8", b"\\ud800"),
    ],
)
def test_what_an_encoding_lacks(text, encoding, written):
    assert text.encode(encoding, terminal.LEGIBLE) == written


def test_all_that_the_package_may_print_has_a_plain_form():
    said = {}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name in ("report", "plot") or path.stem == "terminal":  # a page is UTF-8, a picture is drawn
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                said |= dict.fromkeys((c for c in node.value if not c.isascii()), path.name)
    assert {c: where for c, where in said.items() if c not in terminal.PLAIN} == {}
    assert "σ" in said
    assert all(word.isascii() for word in terminal.PLAIN.values())


def test_checkpoints_in_a_folder_whose_name_is_not_utf8(tmp_path):
    path = tmp_path / ODD / "checkpoints"
    path.parent.mkdir()
    snapshot = Snapshot(("one", "two"), 7, (np.arange(4.0),), {"loss": np.ones((2, 3))})
    told = []
    with Checkpoints(path, 0, {"platform": "cpu"}, told.append) as checkpoints:
        checkpoints.save(snapshot, wait=True)
    with Checkpoints(path, 0, {"platform": "cpu"}, told.append) as checkpoints:
        (found,) = checkpoints.load()
        assert (found.lanes, found.step) == (snapshot.lanes, 7)
        np.testing.assert_array_equal(found.state[0], snapshot.state[0])
        checkpoints.prune({"one", "two"})
    assert told == []
    assert [*path.iterdir()] == []


def test_files_are_utf8_in_any_locale(swept):
    for name in ("log.txt", "spec.toml", "dataset.zarr/zarr.json", "figures/test_error-alpha-s.csv"):
        assert (swept / ODD / name).read_text(encoding="utf-8")
