"""Somebody else's optimizer, model and data in the paper's problem: beside the package's own, and closed forms."""

import re
import subprocess
import sys

import flax.linen as nn
import foreign
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd.problems.learning.optimizers import make_optimizer
from adam_vs_gd.spec.cells import cells

TINY = {"steps": 20, "record": 2, "seeds": 2}


def run(keys=None, **given):
    return ag.run_sweep(small.spec(**TINY | (keys or {})), quiet=True, **given)


def gd_of_mine(eta, lam=0.0):
    return make_optimizer("gd", eta=eta, lam=lam)


def scaled(eta, rho=0.5, *, order=1, nesterov=False):
    """A static order, a static switch, and a number of its own."""
    factor = rho**order if not nesterov else 1.0
    return optax.scale(-eta * factor)


def branching(eta, rho):
    return optax.scale(-eta if rho > 0.5 else -2 * eta)


def needs_rho(eta, rho):
    return optax.scale(-eta * rho)


def no_optimizer(eta):
    return eta


def fails(eta):
    raise RuntimeError("this is mine")


def test_somebodys_gd_is_gd():
    optimizers = {"gd": {"eta": 0.1}, "mine": {"kind": "own", "eta": 0.1}, "theirs": {"kind": "own", "eta": 0.1}}
    results = run({"optimizers": optimizers}, optimizers={"mine": gd_of_mine, "theirs": foreign.plain_gd})
    for label in ("mine", "theirs"):
        for name in ("loss", "weight_norm", "test_error", "feature_learning", "best_step"):
            one, other = (results[name].sel(optimizer=known).values for known in ("gd", label))
            np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-6, err_msg=f"{label} {name}")
    spec = ag.SweepSpec(**small.spec(**TINY, optimizers={"gd": {}}).to_dict())
    assert "mine" in ag.run_sweep(spec, quiet=True, optimizers={"mine": foreign.lookahead_default}).optimizer


def test_its_own_numbers_are_axes():
    mine = {"kind": "own", "eta": 0.05, "rho": [0.5, 1.0, 2.0]}
    results = run({"optimizers": {"gd": {"eta": 0.1}, "mine": mine}}, optimizers={"mine": needs_rho})
    assert results.test_error.dims == ("optimizer", "rho", "seed")
    assert results.rho.values.tolist() == [0.5, 1.0, 2.0]
    one, other = results.loss.sel(optimizer="mine", rho=2.0), results.loss.sel(optimizer="gd", rho=2.0)
    np.testing.assert_allclose(one, other, rtol=1e-4)
    assert (results.loss.sel(optimizer="gd") == results.loss.sel(optimizer="gd", rho=0.5)).all(), "gd has no ρ"


def test_what_must_be_static_says_so():
    table = {"kind": "own", "eta": 0.1, "rho": 0.5, "order": [1, 2], "nesterov": False, "static": ["order", "nesterov"]}
    results = run({"optimizers": {"mine": table}}, optimizers={"mine": scaled})
    assert results.loss.dims == ("optimizer", "order", "seed")
    half, quarter = (run({"optimizers": {"gd": {"eta": 0.1 * f}}}).loss.isel(optimizer=0) for f in (0.5, 0.25))
    np.testing.assert_allclose(results.loss.sel(optimizer="mine", order=1), half, rtol=1e-4)
    np.testing.assert_allclose(results.loss.sel(optimizer="mine", order=2), quarter, rtol=1e-4)


def test_optax_itself_can_be_named():
    table = {"import": "optax:sgd", "eta": 0.1}
    results = run(
        {
            "optimizers": {
                "gd": {"eta": 0.1},
                "sgd": table,
                "lion": {"import": "optax:lion", "eta": 1e-3, "b1": [0.8, 0.9]},
            }
        }
    )
    np.testing.assert_allclose(results.loss.sel(optimizer="gd"), results.loss.sel(optimizer="sgd"), rtol=1e-4)
    assert results.b1.values.tolist() == [0.8, 0.9]


def test_its_code_is_in_the_names_of_its_lanes_and_in_no_others():
    def digests(**optimizers):
        spec = small.spec(**TINY, optimizers=optimizers)
        return {
            label: {lane.digest for (k, *_), lane in cells(spec) if list(spec.optimizers)[k] == label}
            for label in optimizers
        }

    one = digests(gd={"eta": 0.1}, mine={"kind": "own", "import": "m:f", "code": "m:f@1", "eta": 0.1})
    other = digests(gd={"eta": 0.1}, mine={"kind": "own", "import": "m:f", "code": "m:f@2", "eta": 0.1})
    assert one["gd"] == other["gd"] == digests(gd={"eta": 0.1})["gd"]
    assert not one["mine"] & other["mine"]
    assert digests(yours={"kind": "own", "import": "m:f", "code": "m:f@1", "eta": 0.1})["yours"] == one["mine"], (
        "by any label"
    )


class Tanh(nn.Module):
    """A model with filters, as the package's have them, and another activation."""

    width: int = 4

    @nn.compact
    def __call__(self, x):
        w = self.param("w", nn.initializers.normal(1.0), (2, self.width, x.shape[-1]))
        return jnp.tanh(jnp.einsum("...pd,jrd->...jrp", x, w)).sum((-2, -1))

    def filters(self, params):
        return params["w"]

    def readout(self, *products):
        outputs = sum(jnp.tanh(z) for z in products).sum(1)
        return outputs[1] - outputs[0]


class Dense(nn.Module):
    """A model without filters, of two outputs, that takes examples in batches only."""

    width: int = 8
    depth: int = 1

    @nn.compact
    def __call__(self, x):
        x = x.reshape(len(x), -1)
        for _ in range(self.depth):
            x = nn.tanh(nn.Dense(self.width)(x))
        return nn.Dense(2)(x)


def test_a_model_with_filters_is_measured_patch_by_patch_and_never_trained_as_the_papers():
    keys = {"model": {"name": "own", "width": 4, "sigma_0": 0.3}, "optimizers": {"gd": {"eta": 0.05}}, "record": 4}
    results = run(keys, model=Tanh)
    assert "feature_learning" in results
    plain = run(keys, model=Tanh, path="reference")
    np.testing.assert_allclose(results.weight_norm_path, plain.weight_norm_path, rtol=1e-6)
    assert np.isfinite(results.loss).all()
    ours = run({**keys, "model": {"width": 4, "sigma_0": 0.3}})
    assert abs(results.weight_norm - ours.weight_norm).max() > 0.01
    w0, *_ = small.draws_of(small.spec(**TINY))
    first = results.weight_norm_path.isel(record=0, seed=0, optimizer=0)
    assert first == pytest.approx(30 * np.linalg.norm(w0), rel=0.2), "σ_0 is 0.3, in units of the model's own"


def linear_init(key, x):
    return {"w": jax.random.normal(key, x.reshape(len(x), -1).shape[1:])}


def linear_apply(params, x):
    return x.reshape(len(x), -1) @ params["w"]


def test_a_model_without_filters_has_no_patch_wise_variables():
    keys = {"model": {"name": "own", "width": 6, "depth": [1, 2]}, "optimizers": {"adam": {"eta": 0.01}}, "steps": 300}
    results = run(keys, model=Dense)
    assert "feature_learning" not in results
    assert results.train_error.dims == ("optimizer", "depth", "seed")
    assert (results.train_error == 0).all()


def test_two_functions_are_a_model():
    pair = linear_init, linear_apply
    results = run({"model": {"name": "own"}, "optimizers": {"gd": {"eta": 0.1}}, "steps": 200}, model=pair)
    assert "feature_learning" not in results
    assert (results.train_error == 0).all(), "2d weights and fewer examples"


def blobs(key, n, d, sigma_p, gap=1.0):
    """Two Gaussian blobs in three patches."""
    y = 1.0 - 2.0 * (jnp.arange(n) % 2)
    x = sigma_p * jax.random.normal(key, (n, 3, d))
    return x.at[:, 1, 0].add(gap * y), y


BLOBS = {"data": {"gap": [0.0, 2.0], "import": "test_own:blobs"}, "optimizers": {"gd": {"eta": 0.5}}, "steps": 200}


@pytest.mark.parametrize("model", [{"name": "linear"}, {"width": 3}], ids=["linear", "network"])
def test_a_sampler_gives_the_training_and_the_test_set(model):
    results = run(BLOBS | {"model": model}, data=blobs)
    assert results.test_error.dims == ("optimizer", "gap", "seed")
    assert (results.test_error.sel(gap=2.0) < 0.1).all()
    assert (abs(results.test_error.sel(gap=0.0) - 0.5) < 0.15).all()
    assert np.isfinite(results.loss_path).all()
    assert "noise_memorization" not in results


WRONG = {
    "branches": ({"mine": {"kind": "own", "eta": 0.1, "rho": 0.3}}, branching,
                 ["branches in Python on rho", 'static = ["rho"]']),
    "a number it lacks": ({"mine": {"kind": "own", "eta": 0.1, "zeta": 1.0}}, gd_of_mine,
                          ["has zeta", "it takes eta, lam"]),
    "a number that is needed": ({"mine": {"kind": "own", "eta": 0.1}}, needs_rho, ["needs rho", "rho = "]),
    "no optimizer": ({"mine": {"kind": "own", "eta": 0.1}}, no_optimizer, ["no optax.GradientTransformation"]),
    "its own error": ({"mine": {"kind": "own", "eta": 0.1}}, fails, ["raises RuntimeError: this is mine"]),
    "not callable": ({"mine": {"kind": "own", "eta": 0.1}}, 3, ["no factory"]),
    "not handed over": ({"mine": {"kind": "own", "eta": 0.1}}, None, ["hand it over", 'optimizers={"mine": factory}']),
    "a label of the package": ({"gd": {"eta": 0.1}}, "gd", ["is the package's gd", 'kind = "own"']),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_factories_that_do_not_match_their_tables_are_told(kind, tmp_path):
    tables, factory, said = WRONG[kind]
    given = {"gd": gd_of_mine} if factory == "gd" else {} if factory is None else {"mine": factory}
    with pytest.raises(ag.SpecError) as caught:
        run({"optimizers": tables}, optimizers=given, out=tmp_path / "out")
    for part in said:
        assert part in str(caught.value), str(caught.value)
    assert not (tmp_path / "out").exists()


SPELLED = {
    "a switch that is not static": ({"optimizers": {"mine": {"import": "m:f", "fast": True}}}, 'static = ["fast"]'),
    "a name of the data": ({"optimizers": {"mine": {"import": "m:f", "alpha": 0.1}}}, "alpha means something else"),
    "a name of results": ({"data": {"import": "m:f", "seed": 1.0}}, "seed means something else"),
    "an import that is none": ({"model": {"import": 3}}, "package.module:name"),
    "an optimizer that is unknown still": ({"optimizers": {"adma": {"eta": 0.1}}}, "did you mean adam"),
}  # fmt: skip


@pytest.mark.parametrize("kind", SPELLED)
def test_mistakes_in_a_spec_are_named(kind):
    keys, said = SPELLED[kind]
    with pytest.raises(ag.SpecError, match=re.escape(said)):
        ag.SweepSpec(**{"optimizers": {"adam": {}}} | keys)


def wrong_labels(key, n, d):
    return jax.random.normal(key, (n, 2, d)), jnp.arange(n) % 2


def wrong_shape(key, n, d):
    return jax.random.normal(key, (n, d)), jnp.ones(n)


@pytest.mark.parametrize(
    ("sampler", "said"), [(wrong_labels, "not -1 or \\+1"), (wrong_shape, "must be \\[n, P, d\\]")]
)
def test_data_that_are_none_are_told(sampler, said):
    with pytest.raises(ag.SpecError, match=said):
        run({"optimizers": {"gd": {}}}, data=sampler)


MODULE = """
import optax

def factory(eta, rho=0.5):
    return optax.scale(-eta * rho)
"""
SPEC = """
seeds = 1
steps = 10
[data]
n = 20
d = 60
s = 10
test_size = 100
[model]
width = 4
[optimizers.mine]
import = "mine:factory"
eta = 0.1
rho = [0.5, 1.0]
[optimizers.gd]
eta = 0.1
"""


READ = """
from adam_vs_gd.cli import main
for what in ("show", "verify", "plot", "report"):
    assert main([what, "runs/tiny"]) == 0, what
"""


def test_a_spec_names_an_optimizer_and_its_folder_needs_no_code(tmp_path):
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "tiny.toml").write_text(SPEC)
    command = [sys.executable, "-m", "adam_vs_gd"]
    for _ in range(2):
        done = subprocess.run([*command, "sweep", "tiny.toml"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "0 to train" in done.stderr, "the second time there is nothing to do"
    (tmp_path / "mine.py").write_text(MODULE.replace("eta * rho", "eta * rho * 2"))
    changed = subprocess.run([*command, "sweep", "tiny.toml"], cwd=tmp_path, capture_output=True, text=True)
    assert changed.returncode == 2
    assert "optimizers.mine.code" in changed.stderr
    (tmp_path / "mine.py").unlink()
    done = subprocess.run([sys.executable, "-c", READ], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = ag.load_results(tmp_path / "runs" / "tiny")
    np.testing.assert_allclose(
        results.loss.sel(optimizer="mine", rho=1.0), results.loss.sel(optimizer="gd", rho=1.0), rtol=1e-5
    )
