"""Figure 1: the first layer of an AlexNet trained by Adam and by SGD on real images, and how noisy its filters are.

After the paper: mini-batches, weight decay (L2 in the gradient), crops and flips, no normalization. What it does not
say is chosen here: constant learning rates, each tuned at every λ by the error on images held out of the training set;
λ tuned by the same error; then several seeds trained on all training images, and measured on the test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.checks import how_many
from adam_vs_gd.engine import run_sweep
from adam_vs_gd.experiments import figure1_tables as tables
from adam_vs_gd.experiments.figure1_picture import against_lambda, grids
from adam_vs_gd.images import load_images
from adam_vs_gd.plan import digest_of
from adam_vs_gd.spec import SweepSpec
from adam_vs_gd.statistics import counted

OPTIMIZERS: Mapping[str, str] = {"adam": "adam", "sgd": "gd", "sgd_momentum": "momentum"}
"""label -> kind; on mini-batches, gd is SGD."""
RECORD = 10


class Setting(NamedTuple):
    """How a set of images is trained on.

    Attributes:
        width: filters of the first layer.
        batch_size: B.
        epochs: passes over the training set.
        etas: the learning rates to choose from, of each optimizer as many.
        lams: λ.
    """

    width: int
    batch_size: int
    epochs: int
    etas: Mapping[str, tuple[float, ...]]
    lams: tuple[float, ...]


ETAS = {"adam": (3e-4, 1e-3, 3e-3), "sgd": (0.01, 0.03, 0.1), "sgd_momentum": (0.001, 0.003, 0.01)}
SETTINGS: Mapping[str, Setting] = {
    "textures": Setting(16, 50, 40, ETAS, (0.0, 1e-4, 1e-3, 1e-2)),
    "cifar10": Setting(64, 128, 100, ETAS, (0.0, 1e-5, 1e-4, 1e-3)),
    "fashion-mnist": Setting(64, 128, 100, ETAS, (0.0, 1e-5, 1e-4, 1e-3)),
    "noise": Setting(64, 128, 100, ETAS, (0.0, 1e-5, 1e-4, 1e-3)),
}
QUICK = Setting(8, 50, 4, {label: etas[1:] for label, etas in ETAS.items()}, (0.0, 1e-3))


def reproduce(
    out: Path, seeds: int = 5, quick: bool = False, quiet: bool = False, data: str = "textures", download: bool = False
) -> str:
    """Tune, train and measure, draw the filters side by side, and set their noisiness against λ.

    Args:
        out: folder of the sweeps; `figure1.md`, and the pictures `figure1` and `figure1-lambda` (.png, .pdf) with their
            numbers, are written into it.
        seeds: how many, of the final trainings.
        quick: a smaller network, few epochs and values: a try, not a reproduction.
        quiet: no progress.
        data: images, as `images.load_images` takes them.
        download: fetch them if they are not there.

    Raises:
        DataError: if the images are not there, or not what they should be.
    """
    images = load_images(data, download)
    setting = QUICK if quick else SETTINGS[images.name]
    tuned = run_sweep(tuning_spec(data, setting), out / "tuning", quiet=quiet)
    etas = chosen_etas(tuned)
    specs = [final_spec(data, setting, lam, etas.sel(lam=lam), seeds) for lam in setting.lams]
    trained = [run_sweep(spec, out / f"lam-{spec.train['lam']:g}", quiet=quiet) for spec in specs]
    final = along_lambda(trained, etas)
    best = chosen_lams(tuned, etas)
    text = tables.report(tuned, final, best, setting.epochs, images.about)
    if quick:
        text += "\n\nNOT a reproduction: a smaller network, four epochs (--quick)."
    (out / "figure1.md").write_text(text + "\n", encoding="utf-8")
    for name, figure in (("figure1", grids(final, best)), ("figure1-lambda", against_lambda(final))):
        for ending in ("png", "pdf"):
            plot.save(figure, out / f"{name}.{ending}")
    return f"{text}\n\n{out / 'figure1.png'}"


def tuning_spec(data: str, setting: Setting) -> SweepSpec:
    """Every η at every λ, trained on four fifths of the training images and tested on the others; one seed."""
    return spec_of("tuning", data, "validation", setting, setting.etas, setting.lams, 1)


def final_spec(data: str, setting: Setting, lam: float, etas: xr.DataArray, seeds: int) -> SweepSpec:
    """Each optimizer at its η for a λ, trained on all training images."""
    own = {label: float(etas.sel(optimizer=label)) for label in OPTIMIZERS}
    return spec_of(f"lam-{lam:g}", data, "test", setting, own, lam, seeds)


def spec_of(
    name: str, data: str, split: str, setting: Setting, etas: Mapping[str, Any], lam: Any, seeds: int
) -> SweepSpec:
    """A sweep of this experiment."""
    images = {"images": data, "split": split}
    steps = setting.epochs * (how_many(images)["n"] // setting.batch_size)
    return SweepSpec(
        name=f"figure1-{name}", seeds=seeds, steps=steps, record=RECORD, data=images,
        model={"name": "alexnet", "width": setting.width},
        train={"lam": lam, "batch_size": setting.batch_size},
        optimizers={label: {"kind": kind, "eta": etas[label]} for label, kind in OPTIMIZERS.items()},
    )  # fmt: skip


def along_lambda(trained: Sequence[xr.Dataset], etas: xr.DataArray) -> xr.Dataset:
    """(optimizer, lam, …) the trainings of all λ, and their η; the digest is that of all their lanes."""
    along = xr.concat(
        [results.drop_vars(["eta", "lam"]) for results in trained], etas.lam, coords="minimal", compat="override",
        combine_attrs="drop_conflicts",
    )  # fmt: skip
    along = along.assign_coords(eta=etas).assign_attrs(digest=digest_of(each.digest for each in trained))
    along.lam.attrs |= trained[0].lam.attrs
    return along


def chosen_etas(tuned: xr.Dataset) -> xr.DataArray:
    """(optimizer, lam) the learning rate of the least error on the held-out images.

    Raises:
        RuntimeError: if all trainings of an optimizer at a λ have diverged or are missing.
    """
    errors = counted(tuned, "test_error").mean("seed").transpose("optimizer", "lam", "eta_index")
    if bool(errors.isnull().all("eta_index").any()):
        raise RuntimeError("no learning rate of some optimizer came to an end: see `adam-vs-gd show` of the tuning")
    return tuned.eta.isel(eta_index=errors.argmin("eta_index")).drop_vars(["eta_index"], errors="ignore")


def chosen_lams(tuned: xr.Dataset, etas: xr.DataArray) -> dict[str, float]:
    """The λ of each optimizer's least error on the held-out images; the largest of equal ones."""
    errors = counted(tuned, "test_error").mean("seed").min("eta_index")
    best = {}
    for label in etas.optimizer.values:
        here = errors.sel(optimizer=label)
        best[str(label)] = float(here.lam.values[np.flatnonzero(here.values == here.min().item()).max()])
    return best
