"""What people hand to `SweepSpec` from Python: every kind of value, at every key."""

import copy
import dataclasses
import decimal
import enum
import fractions
import math
import pickle
import re
import types

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

import adam_vs_gd as ag
from adam_vs_gd.problems import family_named
from adam_vs_gd.problems.learning.numbers import OPTIMIZER
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.plain import LONGEST

FAMILIES = [family_named(name) for name in ("two_patch", "images")]
KEYS = [
    "name", "seeds", "steps", "record", "data", "model", "train", "optimizers", "optimizers.adam",
    *sorted({f"{name}.{key}" for family in FAMILIES for name, section in family.sections.items() if name
             for key in (*section.numbers, *section.choices)}),
    *(f"optimizers.adam.{key}" for key in ("kind", *OPTIMIZER)),
]  # fmt: skip
"""Every place in a spec."""


def spec(path, value, **rest):
    """A spec with one value at a dotted path."""
    keys = {"optimizers": {"adam": {}}, **rest}
    *parents, last = path.split(".")
    table = keys
    for parent in parents:
        table = table.setdefault(parent, {})
    table[last] = value
    return ag.SweepSpec(**keys)


def attempt(path, value):
    """(the spec, "") with one value, or (None, what `SpecError` says)."""
    try:
        return spec(path, value), ""
    except ag.SpecError as error:
        return None, str(error)


def digests(spec):
    return [lane.digest for _, lane in cells(spec)]


AXES = {
    "tuple": (0.1, 0.3), "NumPy": np.array([0.1, 0.3]), "NumPy float32": np.array([0.1, 0.3], np.float32),
    "JAX": jnp.array([0.1, 0.3]), "pandas": pd.Series([0.1, 0.3], index=["a", "b"]), "index": pd.Index([0.1, 0.3]),
    "xarray": xr.DataArray([0.1, 0.3], dims="alpha"), "objects": np.array([0.1, 0.3], object),
    "scalars": [np.float64(0.1), jnp.float32(0.3)], "decimals": [decimal.Decimal("0.1"), fractions.Fraction(3, 10)],
    "0-d arrays": [np.array(0.1), xr.DataArray(0.3)],
}  # fmt: skip


@pytest.mark.parametrize("kind", AXES)
def test_whatever_is_one_dimensional_is_an_axis(kind):
    found, want = spec("data.alpha", AXES[kind]), spec("data.alpha", [0.1, 0.3])
    assert found == want
    assert hash(found) == hash(want)
    assert found.data["alpha"] == (0.1, 0.3)
    assert digests(found) == digests(want)


SCALARS = {
    "NumPy": np.float64(0.3), "0-d": np.array(0.3), "float32": np.float32(0.3), "JAX": jnp.float32(0.3),
    "0-d JAX": jnp.array(0.3), "xarray": xr.DataArray(0.3), "Decimal": decimal.Decimal("0.3"),
    "Fraction": fractions.Fraction(3, 10),
}  # fmt: skip


@pytest.mark.parametrize("kind", SCALARS)
def test_whatever_has_no_dimension_is_a_scalar(kind):
    found = spec("data.alpha", SCALARS[kind])
    assert found.data["alpha"] == 0.3
    assert type(found.data["alpha"]) is float
    assert digests(found) == digests(spec("data.alpha", 0.3))


SEEDS = {
    "a list of one": ([7], (7,)), "an array of one": (np.array([7]), (7,)), "arange(1)": (np.arange(1), (0,)),
    "a 0-d array": (np.array(3), (0, 1, 2)), "a scalar": (np.int64(3), (0, 1, 2)), "JAX": (jnp.arange(2), (0, 1)),
    "0-d JAX": (jnp.array(2), (0, 1)), "a Series": (pd.Series([4, 2]), (4, 2)), "a range": (range(3, 5), (3, 4)),
    "xarray": (xr.DataArray([5, 6]), (5, 6)), "uint32": (np.array([2**32 - 1], np.uint32), (2**32 - 1,)),
    "None": (None, (0, 1, 2, 3, 4)),
}  # fmt: skip


@pytest.mark.parametrize("kind", SEEDS)
def test_seeds_are_a_count_or_a_list_whoever_made_them(kind):
    given, want = SEEDS[kind]
    assert spec("seeds", given).seeds == want


@pytest.mark.parametrize("key", KEYS)
def test_none_is_left_out(key):
    if key in ("optimizers", "optimizers.adam"):
        with pytest.raises(ag.SpecError, match="optimizers"):
            spec(key, None)
    else:
        assert spec(key, None) == ag.SweepSpec(optimizers={"adam": {}})


class Hostile:
    """Everything about it raises."""

    def fails(self, *_):
        raise RuntimeError("no")

    __array__ = __len__ = __iter__ = __float__ = __int__ = __repr__ = __str__ = __eq__ = __getitem__ = fails
    __hash__ = None


class Colour(enum.Enum):
    RED = 1


HOSTILE = np.empty(2, object)
HOSTILE[0] = Hostile()
LOOP: list = []
LOOP.append(LOOP)
NEST: dict = {}
NEST["alpha"] = NEST
REFUSED = {
    "an integer of 400 digits": 10**400, "of 5000 digits": 10**5000, "minus that": -(10**400), "NaN": math.nan,
    "inf": math.inf, "complex": 1j, "a matrix": np.ones((2, 2)), "a frame": pd.DataFrame({"a": [1.0]}),
    "a cube": xr.DataArray(np.ones((1, 1, 1))), "no values": [], "no values of NumPy": np.array([]),
    "a list of lists": [[1, 2]], "ragged": [[1], [2, 3]], "bytes": b"1", "a set": {1, 2}, "a generator": iter([1, 2]),
    "a map": map(int, "12"), "text": "0.1", "texts": ["0.1"], "NumPy's text": np.array(["0.1"]), "true": True,
    "NumPy's true": np.True_, "trues": np.array([True]), "a date": np.datetime64("2026-01-01"),
    "dates": pd.to_datetime(["2026-01-01"]), "an object": object(), "a class": int, "a function": len,
    "a module": math, "a hostile one": Hostile(), "hostile ones": [Hostile()], "hostile ones in NumPy": HOSTILE,
    "an enum": Colour.RED, "a loop": LOOP, "a table in itself": NEST,
    "NaN of pandas": pd.Series([1.0, None]), "NA": pd.NA, "NAs": pd.array([1, None], dtype="Int64"),
    "masked": np.ma.masked_array([1, 2], [False, True]), "a slice": slice(1), "keys that are no text": {1: 2},
    "a record": np.zeros(2, [("a", float)]), "a surrogate": "\udcff", "a long list": range(LONGEST + 2),
    "None inside": [None], "ellipsis": ..., "a bad range": {"linspace": [0, 10**400, 3]},
    "a far range": {"linspace": [-1.7e308, 1.7e308, 3]}, "half a range": {"geomspace": np.array([1, 2])},
    "a negative decimal": decimal.Decimal("-1e400"), "decimal NaN": decimal.Decimal("nan"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_neither_is_one_message_with_the_key(kind):
    """At every place of a spec; a table may be one where a table belongs."""
    for key in KEYS:
        made, error = attempt(key, REFUSED[kind])
        if made is None:
            assert key.partition(".")[0] in error, key
            assert len(error) < 2000
        else:
            assert (kind, key) in {("text", "name")}


numbers = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.complex_numbers(), st.decimals(), st.fractions(), st.none(),
    st.text(max_size=5), st.binary(max_size=3), of_numpy.arrays(
        st.one_of(of_numpy.scalar_dtypes(), of_numpy.unicode_string_dtypes(max_len=4)),
        of_numpy.array_shapes(min_dims=0, max_dims=3, max_side=3),
    ),
)  # fmt: skip
anything = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner),
        st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=2),
        st.builds(lambda x: {"linspace": x}, inner), st.builds(lambda x: {"geomspace": [x, x, 3]}, inner),
        st.frozensets(st.integers(), max_size=2), st.builds(iter, st.lists(st.integers(), max_size=2)),
    ),
    max_leaves=5,
)  # fmt: skip


@given(st.sampled_from(KEYS), anything)
@settings(max_examples=400)
def test_any_value_at_any_key_is_a_spec_or_a_spec_error(key, value):
    made, error = attempt(key, value)
    if made is None:
        assert key.partition(".")[0] in error
    else:
        assert ag.SweepSpec(**made.to_dict()) == made
        assert hash(ag.SweepSpec(**made.to_dict())) == hash(made)


def test_values_that_do_not_survive_the_precision_are_refused():
    cases = [
        ("optimizers.adam.eta", 1e-320, "0 in float32"), ("optimizers.adam.eta", 1e-40, "0 in float32"),
        ("train.lam", 1e-46, "0 in float32"), ("data.sigma_p", 1e39, "inf in float32"),
        ("data.sigma_p", 16777217.0, "16777216 in float32"),
        ("optimizers.adam.beta2", 1 - 1e-9, "1 in float32, but must be"),
        ("data.alpha", (0.1, 0.1 + 1e-10), "are the same number in float32"),
        ("data.alpha", np.array([0.5, np.nextafter(0.5, 1)]), "are the same number in float32"),
        ("data.alpha", {"linspace": [0.5, 0.5 + 1e-9, 3]}, "are the same number in float32"),
    ]  # fmt: skip
    for key, value, says in cases:
        with pytest.raises(ag.SpecError, match=f"{key} = .*{re.escape(says)}.*float64"):
            spec(key, value)
        assert spec(key, 0.5).seeds  # the key itself is fine
    for key, value, _ in cases[1:]:
        spec(key, value, train={"precision": "float64"}) if key != "train.lam" else None
    with pytest.raises(ag.SpecError, match=r"eta = 1e-320.*0 in float64"):
        spec("optimizers.adam.eta", 1e-320, train={"precision": "float64"})


def test_minus_zero_is_zero():
    assert digests(spec("data.alpha", -0.0)) == digests(spec("data.alpha", 0.0)) == digests(spec("data.alpha", 0))
    with pytest.raises(ag.SpecError, match="twice"):
        spec("data.alpha", [0.0, -0.0])


def test_values_keep_their_full_precision_in_a_lanes_name():
    """0.1 is not float32's 0.1: folders that there are keep their lanes."""
    assert [lane.hyper.alpha for _, lane in cells(spec("data.alpha", 0.1, seeds=1))] == [0.1]


def test_a_spec_is_frozen_hashable_and_can_be_copied():
    array = np.array([0.1, 0.2])
    one = spec("data.alpha", array)
    array[0] = 0.9
    assert one.data["alpha"] == (0.1, 0.2)
    with pytest.raises(TypeError):
        one.data["alpha"] = 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.seeds = 3
    again = [copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), dataclasses.replace(one)]
    again.append(ag.SweepSpec(**one.to_dict()))
    assert all(other == one and hash(other) == hash(one) for other in again)
    assert {one: 1}[again[0]] == 1
    assert one != spec("data.alpha", 0.1)
    plain = one.to_dict()
    plain["data"]["alpha"].append(3)
    assert one.data["alpha"] == (0.1, 0.2)
    assert ag.SweepSpec(**types.MappingProxyType(one.to_dict())) == one


@pytest.mark.parametrize("given", [{"data": {}}, "sweeps/quickstart.toml", None, 3])
def test_what_is_no_spec_is_told_how_to_make_one(given, tmp_path):
    with pytest.raises(ag.SpecError, match=r"must be a SweepSpec; load_spec\(path\)"):
        ag.run_sweep(given, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keys", "says"),
    [({"devices": True}, "devices = True"), ({"devices": 1.5}, "integer"), ({"memory": "4GiB"}, "memory = '4GiB'"),
     ({"checkpoint_every": math.nan}, "checkpoint_every"), ({"path": ["fast"]}, "path"),
     ({"devices": 10**400}, "devices")],
)  # fmt: skip
def test_settings_that_are_none_are_told_by_name(keys, says, tmp_path):
    with pytest.raises(ag.MachineError, match=says):
        ag.run_sweep(spec("steps", 2, record=0), tmp_path / "out", quiet=True, **keys)


def test_paths_and_overrides_that_are_none_are_told(tmp_path):
    for wrong in (None, 3, object()):
        with pytest.raises(ag.SpecError, match="must be the path of a TOML file"):
            ag.load_spec(wrong)
        with pytest.raises(ag.FolderError, match="must be the path of a sweep's folder"):
            ag.load_results(wrong)
    file = tmp_path / "spec.toml"
    file.write_text("[optimizers.adam]\n")
    assert ag.load_spec(file, {"data.alpha": np.array([0.1, 0.2])}).data["alpha"] == (0.1, 0.2)
    with pytest.raises(ag.SpecError, match="overrides"):
        ag.load_spec(file, ["data.alpha"])
    file.write_text(f"seeds = {'9' * 5000}\n[optimizers.adam]\n")
    with pytest.raises(ag.SpecError):
        ag.load_spec(file)
