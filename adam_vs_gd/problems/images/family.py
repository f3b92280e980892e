"""A network on a set of images, declared. No JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adam_vs_gd.problem import Family, Kernel, Maker
from adam_vs_gd.problems.images import variables, ways
from adam_vs_gd.problems.images.lane import Hyper, Static
from adam_vs_gd.problems.images.numbers import DATA, IMAGE_SETS, MODEL, check_images, fit, set_of
from adam_vs_gd.problems.learning.numbers import (
    OPTIMIZERS,
    STATUSES,
    TOP,
    TRAIN,
    check_schedules,
    off_default,
    own_numbers,
)
from adam_vs_gd.problems.learning.variables import FOLLOWED
from adam_vs_gd.problems.two_patch import family as two_patch
from adam_vs_gd.problems.two_patch.family import check_batch

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.sweep_spec import SweepSpec

SIZES = ("steps", "n", "width", "test_size", "batch_size")


def check(tables: Mapping[str, Any], mistakes: list[str]) -> None:
    """What must hold between keys, for every combination of the axes."""
    check_batch(tables, "", mistakes)
    check_schedules(tables, mistakes)
    check_images(tables["data"], mistakes)


def lane(spec: SweepSpec, label: str, at: Mapping[str, Any]) -> tuple[Static, Hyper]:
    """The shapes and the numbers of a lane."""
    kind = spec.optimizers[label]["kind"]
    own = own_numbers(kind, off_default(at))
    static = Static(
        optimizer=kind,
        images=set_of(spec.data["images"]),
        split=spec.data["split"],
        augment=spec.data["augment"],
        model=spec.model["name"],
        precision=spec.train["precision"],
        own=own,
        **{key: at[key] for key in SIZES},
    )
    numbers = {key: at[key] for key in Hyper._fields if at.get(key) is not None}
    return static, Hyper(**numbers, own=tuple(float(at[key]) for key in own))


def compared(key: str, value: Any) -> Any:
    """Where the images are does not matter."""
    return set_of(value) if key == "data.images" and isinstance(value, str) else value


def describe(static: Static) -> str:
    """A program's name for people."""
    shapes = ", ".join(f"{key}={getattr(static, key)}" for key in ("n", "steps", "width", "batch_size"))
    return f"{static.optimizer} on {static.model} ({static.images}, {shapes})"


def make(spec: SweepSpec, given: Mapping[str, Any]) -> Maker:
    """The functions of a sweep's lanes.

    Raises:
        DataError: if the images that the spec names are not there, or others.
    """
    from adam_vs_gd.problems.images.data import images_of, on_images

    images = images_of(spec.data["images"])
    about = {"image_set": images.about, "image_digest": images.digest}
    return Maker(spec, on_images(spec.data["images"]), about)


def attributes(spec: SweepSpec) -> dict[str, str]:
    """What results say in their attributes."""
    names = {key: spec.data[key] for key in DATA.choices}
    return names | {"model": spec.model["name"], "precision": spec.train["precision"]}


def chance(results: xr.Dataset) -> float:
    """The error rate of guessing a class."""
    return 1 - 1 / IMAGE_SETS[set_of(results.attrs["images"])].classes


def facts(results: xr.Dataset) -> list[tuple[str, str]]:
    """What the lanes were trained on."""
    attrs = results.attrs
    return [
        ("Images", attrs.get("image_set", attrs["images"])),
        ("Test error", f"of the {attrs['split']} split"),
        ("Augmentation", attrs["augment"]),
    ]


def brief(results: xr.Dataset) -> str:
    """The same in a few words."""
    attrs = results.attrs
    return f"{attrs['images']} images, {attrs['split']} split, augmented by {attrs['augment']}"


def kernel(platform: str) -> Kernel | None:
    """The CPU's of two patches: images do without, but their chunks have always told it, and a folder is not mixed."""
    return two_patch.kernel(platform) if platform == "cpu" else None


FAMILY = Family(
    name="images",
    sections={"": TOP, "data": DATA, "model": MODEL, "train": TRAIN},
    variants=OPTIMIZERS,
    fit=fit,
    check=check,
    compared=compared,
    attributes=attributes,
    lane=lane,
    way=lambda static, hyper, machine: ways.NETWORK,
    cost=ways.cost,
    describe=describe,
    kernel=kernel,
    make=make,
    variables=variables.variables,
    dims=variables.dims,
    statuses=STATUSES,
    unmixed={"image_digest": "images"},
    main="test_error",
    columns=("test_error", "train_error", "data_loss", "high_frequency", "total_variation"),
    followed=FOLLOWED,
    pairs=(("high_frequency", "train_error"),),
    chance=chance,
    pooled=False,
    facts=facts,
    brief=brief,
)
