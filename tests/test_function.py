"""The engine on anybody's function and training: closed forms, resumption, identity, and all that may be wrong."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from patience import HUNG, wait_until

import adam_vs_gd as ag
from adam_vs_gd import cli, show
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.store.folder import Folder

HERE = Path(__file__).parent
AXES = {"a": [0.0, 0.5, 1.0], "b": [1.0, 2.0]}


def sweep(fn=foreign.noisy, axes=None, **keys):
    given = {"fixed": {"c": 0.25}, "static": {"n": [2, 5]}, "seeds": 3, "quiet": True} | keys
    return ag.sweep_function(fn, axes or AXES, **given)


def test_a_function_is_evaluated_at_every_point_and_its_lanes_share_a_seed():
    results = sweep()
    assert results.value.dims == ("a", "b", "n", "seed")
    assert list(results.data_vars) == ["value", "noise", "size", "status"], "in the order in which they are returned"
    np.testing.assert_allclose(
        results.value - results.noise, results.a * results.b + 0.25 + 0 * results.noise, rtol=1e-5
    )
    assert (results.noise.isel(a=0, b=0) == results.noise).all(), "lanes of a seed and n share their noise"
    assert len(np.unique(results.noise)) == 2 * 3
    with ag.numerics("float32"):
        z = jax.random.normal(ag.seed_key(1), (5,)).mean()
    np.testing.assert_allclose(results.noise.sel(n=5, seed=1), z, rtol=1e-6)
    assert (results["size"] == results.n).all()
    assert results["size"].dtype == np.float64, "integers keep their value"
    assert set(results.status.attrs["flag_meanings"].split()) == {"pending", "diverged", "done"}
    assert (results.status == 2).all()
    assert results.attrs["code"].startswith("foreign:noisy@")
    assert results.c == 0.25


def test_axes_and_seeds_grow_and_nothing_is_computed_twice(tmp_path):
    out = tmp_path / "sweep"
    first = sweep(out=out, axes={"a": [0.0, 1.0], "b": [1.0]}, seeds=2)
    done = Folder(out).journal.survey().done
    more = sweep(out=out)
    assert done < Folder(out).journal.survey().done
    for name in ("value", "noise"):
        np.testing.assert_array_equal(more[name].sel(a=[0.0, 1.0], b=[1.0], seed=[0, 1]), first[name])
    files = sorted(Folder(out).journal.files())
    xr.testing.assert_identical(sweep(out=out), more)
    assert sorted(Folder(out).journal.files()) == files
    assert cli.main(["verify", str(out)]) == 0
    with pytest.raises(ag.FolderError, match=r"c: 0\.25 there, 0\.5 here"):
        sweep(out=out, fixed={"c": 0.5})


def test_all_that_takes_results_takes_these(tmp_path, capsys):
    out = tmp_path / "sweep"
    results = sweep(out=out, axes={"a": list(np.linspace(0, 1, 6)), "b": [1.0, 2.0, 4.0]}, static={"n": 2000})
    for command in ("show", "verify", "plot", "report"):
        assert cli.main([command, str(out)]) == 0, command
    said = capsys.readouterr().out
    assert "54 of 54 cells computed" in said
    assert "not done" not in said.split("value")[0]
    assert (out / "figures" / "value-a-b.png").exists()
    curve = ag.boundary(results, x="a", y="b", level=1.25)
    np.testing.assert_allclose(curve.a.isel(optimizer=0, b=[1, 2]), [0.5, 0.25], atol=0.03)
    wide = sweep(axes={"a": np.linspace(0.1, 2, 20), "b": [1.0, 2.0, 4.0]}, static={"n": 2000})
    law = ag.fit_exponent(ag.boundary(wide, "a", "b", level=1.25))
    assert law.exponent.item() == pytest.approx(-1, abs=0.05)
    assert "value" in show.summary(results).plain
    assert cli.main(["theory", str(out)]) == 2
    assert "results of function" in capsys.readouterr().err


def test_vectors_have_named_dimensions():
    results = sweep(foreign.spectrum, {"a": [0.1, 1.0]}, fixed={}, static={}, dims={"power": ("mode",)})
    assert results.power.dims == ("a", "seed", "mode")
    np.testing.assert_allclose(results.power, np.exp(-results.a * results.mode).transpose("a", "mode").values[:, None] +
                               np.zeros((2, 3, 5)), rtol=1e-6)  # fmt: skip
    assert results.mode.values.tolist() == [0, 1, 2, 3, 4]
    figure = ag.plot.curves(results, value="power", sel={"mode": 2})
    assert [row["mean"] for row in figure.numbers] == pytest.approx(np.exp(-2 * results.a).values, rel=1e-5)
    assert sweep(foreign.spectrum, {"a": [1.0]}, fixed={}, static={}).power.dims == ("a", "seed", "power_0")


def test_what_is_not_finite_is_data():
    results = sweep(foreign.blows_up, {"a": [0.5, 1.0]}, fixed={}, static={})
    assert (results.status == [[2], [1]]).all()
    assert np.isinf(results.value.sel(a=1.0)).all()
    table = show.table(ag.plot.suitable.__globals__["complete"](results))
    assert "3 diverged" in table
    counted = ag.plot.curves(results, value="other").numbers
    assert [row["seeds"] for row in counted] == [3, 0], "a lane that diverged counts in no mean"


def test_results_do_not_depend_on_devices_widths_or_resumption(tmp_path):
    whole = sweep()
    for keys in ({"devices": 1}, {"memory": 300_000}, {"out": tmp_path / "kept"}):
        other = sweep(**keys)
        for name in whole.data_vars:
            assert other[name].values.tobytes() == whole[name].values.tobytes(), (keys, name)


def test_lapack_is_given_one_matrix_at_a_time():
    """Many at once wait for each other in XLA's threads, with two devices on two cores forever."""

    def solved(hyper, key):
        x, y = jax.random.normal(key, (20, 30)), jax.random.normal(jax.random.fold_in(key, 1), (30,))
        found = jnp.linalg.solve(x.T @ x + hyper["lam"] * jnp.eye(30), y)
        return {"norm": jnp.linalg.norm(found)}

    results = sweep(solved, {"lam": [0.1, 1.0, 10.0]}, fixed={}, static={}, seeds=6)
    assert (results.norm.diff("lam") < 0).all()


TRAINING = {"axes": {"eta": [0.01, 0.1]}, "fixed": {}, "static": {"width": 3}, "steps": 40, "record": 4}


def test_a_training_is_recorded_along_its_steps():
    results = sweep(foreign.decay, **TRAINING)
    assert results.norm_path.dims == ("eta", "seed", "record")
    assert results.step.values.tolist() == [0, 10, 20, 30, 40]
    expected = results.norm_path.isel(record=0) * (1 - results.eta) ** results.step
    np.testing.assert_allclose(results.norm_path, expected.transpose(*results.norm_path.dims), rtol=1e-4)
    np.testing.assert_array_equal(results.norm, results.norm_path.isel(record=-1))
    assert ag.plot.trajectories(results.sel(eta=0.1)).numbers
    swept = sweep(foreign.decay, **TRAINING | {"steps": [20, 40]})
    np.testing.assert_array_equal(swept.norm.sel(steps=40), results.norm)


KILLED = """
import sys, time
sys.path.insert(0, {here!r})
import foreign, jax, jax.numpy as jnp, adam_vs_gd as ag

def init(hyper, key): return jax.random.normal(key, (100, 100))
def step(hyper, key, state, t): return jnp.tanh(state @ state / 10 + hyper["a"] * jnp.cos(t))
def measure(hyper, key, state): return {{"mean": state.mean(), "norm": jnp.linalg.norm(state)}}

print("start", flush=True)
r = ag.sweep_function((init, step, measure), {{"a": [0.1, 0.2]}}, seeds=2, steps={steps}, record=10, out=sys.argv[1],
                      name="killed", checkpoint_every=0.1)
print(r.norm_path.values.tobytes().hex())
"""


def test_a_training_that_is_killed_goes_on_to_the_same_bits(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED.format(here=str(HERE), steps=20_000))
    run = [sys.executable, str(script)]
    whole = subprocess.run([*run, str(tmp_path / "whole")], capture_output=True, text=True, check=True, timeout=HUNG)
    cut = subprocess.Popen([*run, str(tmp_path / "cut")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(
        lambda: any(path.name.isdecimal() for path in (tmp_path / "cut").glob("checkpoints/*/*")),
        lambda: cut.poll() is not None,
    )
    os.kill(cut.pid, signal.SIGKILL)
    cut.communicate()
    again = subprocess.run([*run, str(tmp_path / "cut")], capture_output=True, text=True, check=True, timeout=HUNG)
    assert "go on at step" in again.stderr
    assert again.stdout == whole.stdout


MODULE = """
import jax.numpy as jnp

SCALE = 2.0

def helper(x):
    return SCALE * x

def area(hyper, key):
    # a comment
    return {"area": helper(hyper["a"]) * hyper["n"]}

class Training:
    def init(self, hyper, key): return jnp.ones(3)
    def step(self, hyper, key, state, t): return state * hyper["a"]
    def measure(self, hyper, key, state): return {"size": state.sum()}

training = Training()
"""
SPEC = """
name = "area"
seeds = 2
[problem]
import = "mine:area"
[axes]
a = [1.0, 2.0]
[static]
n = 3
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder of somebody's, with a module and a spec, which is the current one."""
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "spec.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, cwd):
    done = subprocess.run([sys.executable, "-m", "adam_vs_gd", *arguments], cwd=cwd, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


READ = """
from adam_vs_gd.cli import main
for what in ("show", "verify", "plot"):
    assert main([what, "runs/area"]) == 0, what
"""


def test_a_spec_runs_what_python_runs(project):
    assert run("sweep", "spec.toml", "--quiet", cwd=project)[0] == 0
    results = ag.load_results(project / "runs" / "area")
    assert results.area.sel(a=2.0, seed=0) == 12
    script = (
        "import sys; sys.path.insert(0, '')\n"
        "import mine, adam_vs_gd as ag\n"
        "r = ag.sweep_function(mine.area, {'a': [1., 2.]}, static={'n': 3}, seeds=2, quiet=True)\n"
        "print(r.attrs['digest'])"
    )
    python = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=True)
    assert python.stdout.strip() == results.attrs["digest"], "one lane has one name"
    assert run("sweep", "spec.toml", "--dry-run", cwd=project)[1].count("0 lanes to train") == 1
    (project / "mine.py").unlink()
    done = subprocess.run([sys.executable, "-c", READ], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, f"results are read where the code is not: {done.stderr}"


def assert_refused(project, module):
    """What is to be swept is not what the folder holds."""
    (project / "mine.py").write_text(module)
    status, said = run("sweep", "spec.toml", "--quiet", cwd=project)
    assert status == 2
    assert "problem.code" in said
    assert "there, " in said


def test_changed_code_is_refused(project):
    assert run("sweep", "spec.toml", "--quiet", cwd=project)[0] == 0
    assert_refused(project, MODULE.replace("SCALE = 2.0", "SCALE = 3.0"))


def test_changed_code_never_serves_old_lanes(project):
    assert run("sweep", "spec.toml", "--quiet", cwd=project)[0] == 0
    spelled = MODULE.replace("# a comment", "# another").replace("def helper(x):", 'def helper(x):\n    """Twice."""')
    (project / "mine.py").write_text(spelled)
    assert run("sweep", "spec.toml", "--quiet", cwd=project)[0] == 0, "comments and docstrings do not count"
    for changed in (MODULE.replace("SCALE = 2.0", "SCALE = 3.0"), MODULE.replace("SCALE * x", "SCALE * x + 1")):
        assert_refused(project, changed)
    pinned = SPEC.replace('area"\n[axes]', 'area"\nversion = 1\n[axes]')
    (project / "spec.toml").write_text(pinned)
    assert run("sweep", "spec.toml", "--quiet", "--out", "pinned", cwd=project)[0] == 0
    (project / "mine.py").write_text(MODULE)
    assert run("sweep", "spec.toml", "--quiet", "--out", "pinned", cwd=project)[0] == 0, (
        "its author says it is the same"
    )


def test_a_training_is_named_in_a_spec_too(project):
    text = SPEC.replace("mine:area", "mine:training").replace("seeds = 2", "seeds = 2\nsteps = 5\nrecord = 5")
    (project / "spec.toml").write_text(text.replace("[static]\nn = 3", ""))
    assert run("sweep", "spec.toml", "--quiet", cwd=project)[0] == 0
    results = ag.load_results(project / "runs" / "area")
    np.testing.assert_array_equal(results.size_path.sel(a=2.0, seed=0), 3 * 2.0 ** np.arange(6))


def branches(hyper, key):
    return {"x": 1.0 if hyper["a"] > 0.5 else hyper["b"]}


def counts(hyper, key):
    return {"x": jnp.ones(int(hyper["n"] + hyper["a"])).sum()}


def shapes(hyper, key):
    return {"x": jnp.zeros(hyper["n"]) + hyper["a"]}


def generator(hyper, key):
    yield hyper["a"]


def prints(hyper, key):
    jax.debug.print("{a}", a=hyper["a"])
    return {"x": hyper["a"]}


def random_of_numpy(hyper, key):
    return {"x": hyper["a"] + np.random.default_rng().normal()}


KEPT = []


def keeps(hyper, key):
    KEPT.append(hyper["a"] * 2)
    return {"x": hyper["a"]}


def huge(hyper, key):
    x = jax.random.normal(key, (20_000, 20_000))
    return {"x": (x @ (x * hyper["a"])).sum()}


def fails(hyper, key):
    raise ValueError("this is mine")


WRONG = {
    "branches on a number": (branches, {}, ["branches in Python on a", "static={'a': …}"]),
    "needs a value": (counts, {}, ["branches in Python on a", "make it static"]),
    "other shapes": (shapes, {}, ["returns x of shape (2,) at n = 2, and of (5,) at n = 5", "pad it"]),
    "no dict": (lambda hyper, key: hyper["a"], {}, ["returns an array; it must return a dict of arrays"]),
    "nothing": (lambda hyper, key: None, {}, ["returns nothing", "dict of arrays"]),
    "text": (lambda hyper, key: {"x": "one"}, {}, ["x", "no array"]),
    "complex": (lambda hyper, key: {"x": hyper["a"] * 1j}, {}, ["complex", "real and imaginary"]),
    "a name of an axis": (lambda hyper, key: {"a": hyper["a"]}, {}, ["returns a, which is a number of the sweep"]),
    "a name that is taken": (lambda hyper, key: {"status": hyper["a"]}, {}, ["returns status, which means something"]),
    "a generator": (generator, {}, ["is a generator", "dict of arrays"]),
    "a print": (prints, {}, ["side effects on the host", "debug"]),
    "NumPy's randomness": (random_of_numpy, {}, ["something else each time", "draw from key"]),
    "a leak": (keeps, {}, ["keeps traced values outside"]),
    "an unknown number": (lambda hyper, key: {"x": hyper["zeta"]}, {}, ["hyper['zeta']", "no number of the sweep"]),
    "its own error": (fails, {}, ["raises ValueError: this is mine"]),
    "not callable": (3, {}, ["neither a function nor a training"]),
    "an axis that is no list": (foreign.noisy, {"axes": {"a": 1.0}}, ["axes.a = 1.0", "[fixed]"]),
    "a fixed list": (foreign.noisy, {"fixed": {"c": [1.0]}}, ["fixed.c", "[axes]"]),
    "a number twice": (foreign.noisy, {"fixed": {"a": 1.0}}, ["fixed.a", "is in [axes] already"]),
    "an axis called seed": (foreign.noisy, {"axes": {"seed": [1.0, 2.0]}}, ["axes.seed", "means something else"]),
    "an axis that is no name": (foreign.noisy, {"axes": {"a b": [1.0]}}, ["axes.a b", "is no name"]),
    "dims of nothing": (foreign.noisy, {"dims": {"volume": ("k",)}}, ["does not return volume"]),
    "dims that do not fit": (foreign.noisy, {"dims": {"value": ("k",)}}, ["of shape ()", "dims names 1"]),
    "steps of a function": (foreign.noisy, {"steps": 5}, ["is a function", "leave steps out"]),
    "a training without steps": (foreign.decay, {}, ["needs steps"]),
    "a state that changes": ((foreign.decay_init, lambda h, k, s, t: {"x": s["x"][:1]}, foreign.decay_measure),
                             TRAINING, ["step returns a state", "of one form"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_one_message_before_anything_is_written(kind, tmp_path):
    fn, keys, said = WRONG[kind]
    with pytest.raises(ag.SpecError) as caught:
        sweep(fn, out=tmp_path / "out", name="wrong", **keys)
    assert "1 mistake\n" in str(caught.value)
    for part in said:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "out").exists()


def test_too_much_memory_for_one_lane_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(ag.MachineError, match=r"huge.*a lane takes about .*GiB.*--memory"):
        sweep(huge, {"a": [1.0]}, fixed={}, static={}, out=tmp_path / "out", memory=2**30)
    assert not (tmp_path / "out").exists()


IMPORTS = {
    "mine": ['problem.import = "mine"', '"package.module:name"'],
    "nowhere:f": ["nowhere cannot be imported", "ModuleNotFoundError"],
    "mine:aera": ["there is no aera in mine", "area"],
    "mine:SCALE": ["neither a function nor a training"],
}


@pytest.mark.parametrize("where", IMPORTS)
def test_imports_that_fail_are_told(where, project):
    (project / "spec.toml").write_text(SPEC.replace("mine:area", where))
    status, said = run("sweep", "spec.toml", cwd=project)
    assert status == 2
    for part in IMPORTS[where]:
        assert part in said, said
    assert not (project / "runs").exists()


def test_the_current_folder_is_first_while_a_module_is_looked_for_and_last_afterwards(tmp_path, monkeypatch):
    """A process that is started later has the same places, and must find the same packages."""
    from adam_vs_gd.objects import imported

    (tmp_path / "early.py").write_text("def late():\n    import later\n    return later.X\n")
    (tmp_path / "later.py").write_text("X = 3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    assert imported("early:late", "key")() == 3
    assert sys.path == [*before, str(tmp_path)]


def test_what_a_digest_is_made_of(tmp_path):
    from adam_vs_gd.objects import code_digest

    def made(scale):
        def inner(hyper, key):
            return {"x": scale * hyper["a"]}

        return inner

    assert code_digest(made(2.0), "f") == code_digest(made(2.0), "f")
    assert code_digest(made(2.0), "f") != code_digest(made(3.0), "f"), "a closure is part of it"
    arrays = [np.zeros(3), np.zeros(3), np.ones(3)]
    one, same, other = (code_digest(made(array), "f") for array in arrays)
    assert one == same != other
    typed = [eval(f"lambda hyper, key: {{'x': {k}}}") for k in (1, 1, 2)]
    one, same, other = (code_digest(function, "f") for function in typed)
    assert one == same != other, "what has no source is told by its instructions"
    with pytest.raises(ag.SpecError, match="pin its code with version="):
        code_digest(made(object()), "f")
    spaces = [{}, {}]
    for space, text in zip(spaces, ("2 * x", "3 * x"), strict=True):  # as in a cell that is run from a text
        exec(f"def helper(x): return {text}\ndef f(hyper, key): return {{'x': helper(hyper['a'])}}", space)
    assert code_digest(spaces[0]["f"], "f") != code_digest(spaces[1]["f"], "f")


def test_lanes_are_named_by_value_not_by_order():
    def digests(code, axes):
        spec = ag.SweepSpec(problem={"import": "m:f", "code": code}, axes=axes)
        return [lane.digest for _, lane in cells(spec)]

    one, other = digests("m:f@1", {"a": [1.0], "b": [2.0]}), digests("m:f@1", {"b": [2.0], "a": [1.0]})
    assert one == other
    assert not set(one) & set(digests("m:f@2", {"a": [1.0], "b": [2.0]}))


def test_a_spec_of_a_function_is_its_own_spec():
    spec = ag.SweepSpec(
        problem={"import": "m:f", "code": "m:f@1"}, axes={"a": {"linspace": [0, 1, 3]}}, static={"n": [1, 2]}
    )
    assert ag.SweepSpec(**spec.to_dict()) == spec
    assert spec.number("a") == (0.0, 0.5, 1.0)
    assert json.dumps(spec.to_dict())
    assert textwrap.dedent(repr(spec))
