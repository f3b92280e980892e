"""The seam: a family that is not the package's, from its declaration to a picture; and those that say wrong things."""

import sys
from pathlib import Path

import foreign
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small

import adam_vs_gd as ag
from adam_vs_gd import cli
from adam_vs_gd.engine.estimate import plan_sweep
from adam_vs_gd.problem import PENDING, Machine, Outcome, Variable
from adam_vs_gd.problems import KNOWN, MODELS, family_named
from adam_vs_gd.problems.two_patch.models import TwoLayerCNN
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.sweep_spec import load_spec
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.verify import verify

RESULTS = Path(__file__).parent.parent / "results"
SHIPPED = sorted(path.parent for path in RESULTS.rglob("spec.toml"))


def spec(**keys):
    given = {
        "problem": {"import": "foreign:FAMILY"},
        "steps": 20,
        "record": 4,
        "seeds": 3,
        "train": {"eta": [0.1, 0.3]},
    }
    return ag.SweepSpec(**given | keys)


def test_a_family_of_somebody_elses_is_swept_as_the_packages_own(tmp_path, capsys):
    out = tmp_path / "decay"
    results = ag.run_sweep(spec(), out, quiet=True)
    assert results.distance_path.dims == ("eta", "seed", "record")
    start = results.distance_path.isel(record=0)
    np.testing.assert_allclose(results.distance_path, (start * (1 - results.eta) ** results.step).values, rtol=1e-5)
    with ag.numerics("float32"):
        x = abs(jax.random.normal(ag.seed_key(1)))
    np.testing.assert_allclose(start.sel(seed=1), x, rtol=1e-6)
    assert results.distance.attrs["symbol"] == "$|x|$"
    assert results.status.attrs["flag_meanings"] == "pending diverged done"
    more = ag.run_sweep(spec(train={"eta": [0.1, 0.2, 0.3]}, seeds=4), out, quiet=True)
    np.testing.assert_array_equal(more.distance.sel(eta=[0.1, 0.3], seed=[0, 1, 2]), results.distance)
    for command in ("show", "verify", "plot", "report"):
        assert cli.main([command, str(out)]) == 0
    assert "distance to the minimum" in (out / "report.html").read_text()
    assert ag.run_sweep(spec(steps=[20, 40]), quiet=True).distance.dims == ("steps", "eta", "seed")
    capsys.readouterr()


def test_its_numbers_are_checked_as_it_declares_them():
    with pytest.raises(ag.SpecError) as caught:
        spec(train={"eta": -1.0, "lamda": 3}, steps=0, data={"n": 3})
    said = str(caught.value)
    assert "4 mistakes" in said
    told = (
        "train.eta = -1.0: must be a finite number > 0",
        "train.lamda",
        "steps = 0",
        "data = { n = 3 }: unknown key",
    )
    for part in told:
        assert part in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("UNDECLARED", "distance: is measured, but no variable"),
        ("TOO_MUCH", "angle: is a variable .* but not measured"),
    ],
)
def test_variables_that_nobody_declares_or_measures_are_told(name, said):
    with pytest.raises(ag.SpecError, match=said):
        ag.run_sweep(spec(problem={"import": f"foreign:{name}"}), quiet=True)


def test_what_a_chunk_holds_beside_what_is_declared_is_not_dropped_silently(tmp_path, monkeypatch):
    ag.run_sweep(spec(), tmp_path / "out", quiet=True)
    monkeypatch.setitem(vars(foreign.FAMILY), "variables", lambda spec: {})
    with pytest.warns(UserWarning, match="hold distance, distance_path, which this version .* leaves out"):
        ag.load_results(tmp_path / "out")


def test_statuses_say_which_lanes_count(monkeypatch):
    results = ag.run_sweep(spec(), quiet=True)
    odd = (PENDING, Outcome("odd", counts=False), Outcome("fine", good=True))
    monkeypatch.setitem(vars(foreign.FAMILY), "statuses", odd)
    results = ag.run_sweep(spec(), quiet=True)
    results["status"][{"eta": 0, "seed": 0}] = 1
    assert [row["seeds"] for row in ag.plot.curves(results).numbers] == [2, 3]


def test_numbers_added_later_count_only_off_their_default():
    """Lanes that were trained before there was a number keep their names."""
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static

    old = Static().identity(Hyper(0.2, 100, 0.1, 0.01, 1e-5, 5e-5, 0.9, 0.999, 1e-8))
    assert "own" not in old[2]
    assert "batch_size" not in old[1]
    new = Static(own=("rho",)).identity(Hyper(0.2, 100, 0.1, 0.01, 1e-5, 5e-5, own=(0.5,)))
    assert new[2]["own"] == (0.5,)


def test_a_way_of_training_is_for_models_and_data_it_is_right_for():
    """A model that the fast ways do not know is never trained as the paper's, silently."""
    from adam_vs_gd.problems.two_patch.fast import make_batch
    from adam_vs_gd.problems.two_patch.lane import Hyper, Static
    from adam_vs_gd.problems.two_patch.ways import WAYS

    hyper = Hyper(0.2, 5, 0.3, 0.01, 1e-3, 0.1)
    family = family_named("two_patch")
    for static in (Static(model="tanh"), Static(optimizer="gd", model="tanh"), Static(code=(("data", "m:f@1"),))):
        assert family.way(static, hyper, Machine(native=True)).name == "plain"
        for name in ("sparse", "span", "gram", "dense", "products"):
            with pytest.raises(ValueError, match="is not right for"):
                make_batch(static, 5, WAYS[name], 1)


class Tanh(TwoLayerCNN):
    """A CNN with tanh for its activation, as somebody would add it."""

    def activation(self, z):
        return jnp.tanh(z)


def test_a_model_added_by_the_recipe_is_trained_as_itself(monkeypatch):
    """docs/design.md: a file in models/, a line in make_model, in problems.MODELS, in sections.WITH_FILTERS."""
    from adam_vs_gd.problems.two_patch import family, own, variables

    made = own.make_model
    monkeypatch.setitem(MODELS, "tanh", "two_patch")
    monkeypatch.setitem(family.MODEL.choices, "name", (*MODELS,))
    monkeypatch.setattr(variables, "WITH_FILTERS", (*variables.WITH_FILTERS, "tanh"))

    def make(name, *sizes, **options):
        return Tanh(*sizes, sigma_0=1.0) if name == "tanh" else made(name, *sizes, **options)

    monkeypatch.setattr(own, "make_model", make)
    keys = {"model": {"name": "tanh", "width": 3, "sigma_0": 0.3}, "optimizers": {"gd": {"eta": 0.1}, "adam": {}}}
    fast, reference = (ag.run_sweep(small.spec(**keys), quiet=True, path=path) for path in ("fast", "reference"))
    papers = ag.run_sweep(small.spec(**keys | {"model": {"width": 3, "sigma_0": 0.3}}), quiet=True)
    np.testing.assert_array_equal(fast.weight_norm, reference.weight_norm)
    assert (abs(fast.loss - papers.loss) > 1e-3).all()


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_every_lane_that_is_shipped_is_found(folder):
    there = Folder(folder)
    found = verify(there)
    assert found.whole, found
    plan, *_ = plan_sweep(there.spec(), there)
    assert plan.lanes == 0
    wanted = there.asked(there.spec())
    assert f"{len(wanted)} of {len(wanted)} lanes are there" in str(found)
    assert cli.main(["show", str(folder)]) == 0


def test_all_lanes_that_are_shipped_keep_their_names():
    there = [Folder(folder).journal.survey().done for folder in SHIPPED]
    assert (len(there), sum(map(len, there))) == (27, 23529)
    specs = [Folder(folder).spec() for folder in SHIPPED]
    assert sum(len(list(cells(spec))) for spec in specs if spec.refine is None) == 18285
    assert (
        sum(len(Folder(folder).asked(spec)) for folder, spec in zip(SHIPPED, specs, strict=True) if spec.refine) == 5526
    )


@pytest.mark.parametrize("path", sorted((RESULTS.parent / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_a_spec_written_again_is_the_same_spec(path):
    one = load_spec(path)
    assert ag.SweepSpec(**one.to_dict()) == one
    assert one.family.name in KNOWN
    assert "problem" not in one.to_dict()


def test_a_family_without_words_still_has_a_picture():
    results = ag.run_sweep(spec(seeds=2), quiet=True)
    assert ag.plot.suitable(results).name == "distance-eta"
    results.attrs["problem"] = "gone:FAMILY"  # where its code is not
    assert ag.plot.suitable(results).name == "distance-eta"
    assert "foreign" in sys.modules
    assert isinstance(foreign.VARIABLES["distance"], Variable)


def test_a_status_has_one_code():
    from adam_vs_gd.problems.learning.numbers import CODES

    assert {status.name.lower(): status.value for status in ag.Status} == CODES
