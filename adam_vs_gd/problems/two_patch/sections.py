"""The tables [data] and [model] of a spec, and which of their keys mean something to what is chosen. No JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from adam_vs_gd.problem import Fit, Number, Section
from adam_vs_gd.problems import MODELS
from adam_vs_gd.problems.learning import table1
from adam_vs_gd.problems.learning.numbers import INT_MAX

DEFINITION = "two_patch"
"""The sampler of Definition 3.1, which is meant where none is named."""


class Declared(NamedTuple):
    """What belongs to a sampler of data.

    Attributes:
        words: names that are compiled in.
        sizes: whole numbers that are compiled in.
        numbers: those that are traced.
        absent: what of Definition 3.1's it has not.
        featured: whether there are features, and noise apart from them.
    """

    words: tuple[str, ...]
    sizes: tuple[str, ...]
    numbers: tuple[str, ...]
    absent: frozenset[str]
    featured: bool

    @property
    def keys(self) -> frozenset[str]:
        """All keys of its own."""
        return frozenset((*self.words, *self.sizes, *self.numbers))


NO_PATCHES = frozenset({"s", "alpha", "supports"})
SAMPLERS: Mapping[str, Declared] = {
    "features": Declared(
        ("direction", "position"), ("features", "patches"), ("feature_size", "balance", "label_noise", "pure_noise"),
        frozenset({"supports"}), True,
    ),
    "mixture": Declared(("direction",), (), ("feature_size", "balance", "label_noise"), NO_PATCHES, True),
    "separable": Declared(("direction",), (), ("margin", "balance"), NO_PATCHES, False),
}  # fmt: skip
"""{sampler: what belongs to it}; what each does is said in `samplers`."""
OF_SAMPLERS = frozenset().union(*(declared.keys for declared in SAMPLERS.values()))

DATA = Section(
    {
        "n": Number(int, 2, INT_MAX, table1.N, "$n$", "training examples", even=True),
        "d": Number(int, 2, INT_MAX, table1.D, "$d$", "dimension of a patch"),
        "s": Number(int, 1, INT_MAX, table1.S, "$s$", "noise coordinates per example"),
        "sigma_p": Number(
            float, 0, math.inf, table1.SIGMA_P, r"$\sigma_p$", "standard deviation of the noise", above=True
        ),
        "alpha": Number(float, 0, 1, table1.ALPHA, r"$\alpha$", "size of the feature noise"),
        "test_size": Number(int, 2, INT_MAX, table1.TEST_SIZE, "$N$", "test examples", even=True),
        "features": Number(int, 1, INT_MAX, 1, "$K$", "features, one of which an example has"),
        "patches": Number(int, 2, INT_MAX, 2, "$P$", "patches of an example"),
        "feature_size": Number(float, 0, math.inf, 1.0, r"$\|\mu\|$", "size of a feature"),
        "balance": Number(float, 0, 1, 0.5, r"$p_+$", "share of class +1", above=True, below=True),
        "label_noise": Number(float, 0, 1, 0.0, r"$p_f$", "share of training labels that are wrong"),
        "pure_noise": Number(float, 0, 1, 0.0, r"$p_\xi$", "share of training examples without a feature"),
        "margin": Number(float, 0, math.inf, 0.1, r"$\gamma$", "distance of the examples from the plane between them"),
    },
    {
        "supports": ("independent", "disjoint"),
        "sampler": (DEFINITION, *SAMPLERS),
        "direction": ("axis", "random", "rotated"),
        "position": ("first", "random"),
    },
    words={
        "supports": "supports of the noise",
        "sampler": "sampler",
        "direction": "direction of the feature",
        "position": "place of the feature",
    },
)
SIGMA_0 = Number(
    float, 0, math.inf, table1.SIGMA_0, r"$\sigma_0$", "standard deviation of the initial weights", above=True
)
MODEL = Section(
    {
        "width": Number(int, 1, INT_MAX, table1.WIDTH, "$m$", "filters per class"),
        "q": Number(int, 1, 100, table1.Q, "$q$", "power of the activation"),
        "sigma_0": SIGMA_0,
        "knee": Number(float, 0, math.inf, 1.0, r"$\varrho$", "where a smoothed activation becomes linear", above=True),
    },
    {
        "name": tuple(MODELS),
        "activation": ("relu", "smoothed_relu", "huber", "gelu"),
        "bias": ("none", "trained"),
        "second_layer": ("fixed", "trained"),
    },
    words={"name": "model", "activation": "activation", "bias": "biases", "second_layer": "second layer"},
)
OF_IMAGES = frozenset({"images", "split", "augment"})
OF_CNNS = frozenset({"width", "q", "activation", "knee", "bias", "second_layer"})
MEANINGLESS: Mapping[str, frozenset[str]] = {
    "linear": OF_CNNS,
    "patchwise_linear": OF_CNNS,
    "three_layer_cnn": frozenset({"bias", "second_layer"}),
}
"""The keys that mean nothing to a model; to all those of images do, which are known elsewhere and may be given here."""
OPTIONAL = ("activation", "bias", "second_layer")
"""What of a model is left out where it is not given."""
OF_MODELS = frozenset({"knee", *OPTIONAL})
"""What models of ours have that somebody else's may mean something else by."""
WITH_FILTERS = frozenset({"two_layer_cnn", "linear", "three_layer_cnn"})
"""Models of which it can be said what their filters have learned."""
POWERS = frozenset({"relu", "smoothed_relu"})
"""Activations with a power."""


def fit(given: Mapping[str, Any]) -> Fit:
    """What follows from the model, its activation, and the sampler."""
    model, data = (table if isinstance(table := given.get(key), Mapping) else {} for key in ("model", "data"))
    own_model, own_data = ("import" in table or table.get("name") == "own" for table in (model, data))
    name = model.get("name")
    name = name if isinstance(name, str) and MODELS.get(name) == "two_patch" else "two_layer_cnn"
    absent, who = set(OF_IMAGES), f"{name} model"
    if not own_model:
        activation = model.get("activation", "relu")
        activation = activation if isinstance(activation, str) else "relu"
        absent |= MEANINGLESS.get(name, frozenset()) | {key for key in OPTIONAL if key not in model}
        absent |= (set() if activation in POWERS else {"q"}) | ({"knee"} if activation in ("relu", "gelu") else set())
        who += f" with {activation}" if "activation" in model else ""
    if own_data:
        return Fit(who, frozenset(absent))

    sampler = data.get("sampler")
    declared = SAMPLERS.get(sampler) if isinstance(sampler, str) else None
    absent |= OF_SAMPLERS - (declared.keys if declared else frozenset())
    absent |= declared.absent if declared else frozenset()
    absent |= set() if sampler is not None else {"sampler"}
    who += f" and the sampler {sampler}" if declared else ""
    foreign = sorted(OF_SAMPLERS & data.keys()) if declared is None else []
    if foreign:
        knowing = " or ".join(f'"{known}"' for known, one in SAMPLERS.items() if foreign[0] in one.keys)
        who = f"data of Definition 3.1, to sampler = {knowing} it does"
    return Fit(who, frozenset(absent))


def sampler_of(data: Mapping[str, Any]) -> str:
    """The sampler of a [data] table as a lane has it, "" for Definition 3.1's."""
    name = str(data.get("sampler", DEFINITION))
    return "" if name == DEFINITION else name


def options(data: Mapping[str, Any], model: Mapping[str, Any], at: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What of data and model is compiled in beside sizes: all of a sampler's, what is not usual of a model's."""
    declared = SAMPLERS.get(sampler_of(data))
    of_data = [(key, data[key]) for key in declared.words] if declared else []
    of_data += [(key, at[key]) for key in declared.sizes] if declared else []
    of_model = [(key, model[key]) for key in OPTIONAL if model.get(key, MODEL.choices[key][0]) != MODEL.choices[key][0]]
    if of_model and at.get("knee") is not None and "knee" in model:
        of_model.append(("knee", at["knee"]))
    return tuple(of_data + of_model)
