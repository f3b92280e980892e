"""Figure 1: the first layer of an AlexNet trained by Adam and by SGD on real images, and how noisy its filters are.

After the paper: mini-batches, weight decay (L2 in the gradient), crops and flips, no normalization. What it does not
say is chosen here: constant learning rates, each tuned at every λ by the error on images held out of the training set;
λ tuned by the same error; then several seeds trained on all training images, and measured on the test set.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from adam_vs_gd import plot
from adam_vs_gd.engine.sweep import run_sweep
from adam_vs_gd.experiments import figure1_tables as tables
from adam_vs_gd.experiments.figure1_picture import against_lambda, grids
from adam_vs_gd.problems.images.data import images_of
from adam_vs_gd.problems.images.sets import ImageSet, load_images
from adam_vs_gd.results.statistics import counted
from adam_vs_gd.spec.cells import digest_of
from adam_vs_gd.spec.sweep_spec import SweepSpec

OPTIMIZERS: Mapping[str, str] = {"adam": "adam", "sgd": "gd", "sgd_momentum": "momentum"}
"""label -> kind; on mini-batches, gd is SGD."""
RECORD, LOOKS = 5, 2
QUICK_EPOCHS = 4


class Setting(NamedTuple):
    """How a set of images is trained on.

    Attributes:
        width: filters of the first layer.
        batch_size: B.
        epochs: passes over the training set.
        etas: the learning rates to choose from, of each optimizer as many.
        lams: λ.
        held_out: training images kept for the tuning.
        n: images of the final trainings; those of the tuning are as many, or what is left of the training set.
    """

    width: int
    batch_size: int
    epochs: int
    etas: Mapping[str, tuple[float, ...]]
    lams: tuple[float, ...]
    held_out: int
    n: int


ETAS = {"adam": (3e-4, 1e-3, 3e-3), "sgd": (0.01, 0.03, 0.1), "sgd_momentum": (0.003, 0.01, 0.03)}
TEXTURES = {"adam": (2e-4, 5e-4, 1.2e-3), "sgd": (0.02, 0.04, 0.08), "sgd_momentum": (0.0025, 0.006, 0.015)}
LAMS = (0.0, 1e-5, 1e-4, 1e-3)
SETTINGS: Mapping[str, Setting] = {
    "textures": Setting(16, 40, 40, TEXTURES, (0.0, 3e-3, 2e-2), 540, 1620),
    "cifar10": Setting(64, 128, 100, ETAS, LAMS, 10_000, 50_000),
    "fashion-mnist": Setting(64, 128, 100, ETAS, LAMS, 10_000, 60_000),
    "noise": Setting(64, 128, 100, ETAS, LAMS, 10_000, 50_000),
}


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
    if download:
        if not quiet:
            print(f"figure1: {data}, fetched if it is not there", file=sys.stderr, flush=True)
        load_images(data, download)
    images = images_of(data)
    out.mkdir(parents=True, exist_ok=True)
    setting = fitting(SETTINGS[images.name], images)
    if quick:
        last_two = {label: values[-2:] for label, values in setting.etas.items()}
        setting = setting._replace(width=8, epochs=QUICK_EPOCHS, lams=setting.lams[-1:], etas=last_two)
    tuned = run_sweep(tuning_spec(data, setting), out / "tuning", quiet=quiet)
    etas = chosen_etas(tuned)
    specs = [final_spec(data, setting, lam, etas.sel(lam=lam), seeds) for lam in setting.lams]
    trained = [run_sweep(spec, out / f"lam-{spec.train['lam']:g}", quiet=quiet) for spec in specs]
    final = along_lambda(trained, etas)
    best = chosen_lams(tuned)
    text = tables.report(tuned, held_out_errors(tuned), final, best, setting.epochs, images.about)
    if quick:
        text += f"\n\nNOT a reproduction: a smaller network, {QUICK_EPOCHS} epochs, two η and one λ (--quick)."
    (out / "figure1.md").write_text(text + "\n", encoding="utf-8")
    for name, figure in (("figure1", grids(final, best)), ("figure1-lambda", against_lambda(final, best))):
        for ending in ("png", "pdf"):
            plot.save(figure, out / f"{name}.{ending}")
    return f"{text}\n\n{out / 'figure1.png'}"


def fitting(setting: Setting, images: ImageSet) -> Setting:
    """A setting that a set of images has enough images for."""
    held_out = even(min(setting.held_out, len(images.train) // 3))
    n = even(min(setting.n, len(images.train)))
    batch_size = min(setting.batch_size, n, len(images.train) - held_out)
    return setting._replace(held_out=held_out, n=n, batch_size=batch_size)


def even(count: int) -> int:
    """The largest even number up to a count: a spec's numbers of examples are even."""
    return count // 2 * 2


def tuning_spec(data: str, setting: Setting) -> SweepSpec:
    """Every η at every λ, tested on held-out training images; one seed."""
    return spec_of("tuning", data, "validation", setting, setting.etas, setting.lams, 1)


def final_spec(data: str, setting: Setting, lam: float, etas: xr.DataArray, seeds: int) -> SweepSpec:
    """Each optimizer at its η for a λ, tested on the test images."""
    own = {label: float(etas.sel(optimizer=label)) for label in OPTIMIZERS}
    return spec_of(f"lam-{lam:g}", data, "test", setting, own, lam, seeds)


def spec_of(
    name: str, data: str, split: str, setting: Setting, etas: Mapping[str, Any], lam: Any, seeds: int
) -> SweepSpec:
    """A sweep of this experiment."""
    images, tuning = images_of(data), split == "validation"
    n = min(setting.n, even(len(images.train) - setting.held_out)) if tuning else setting.n
    tests = setting.held_out if tuning else even(len(images.test))
    chosen = {"images": data, "split": split, "n": n, "test_size": tests}
    steps = setting.epochs * (n // setting.batch_size)
    return SweepSpec(
        name=f"figure1-{name}", seeds=seeds, steps=steps, record=min(RECORD, steps), data=chosen,
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
    """(optimizer, lam) the learning rate of the least error on the held-out images; the first if all have diverged."""
    errors = held_out_errors(tuned).fillna(np.inf)
    return tuned.eta.isel(eta_index=errors.argmin("eta_index")).reset_coords(drop=True)


def chosen_lams(tuned: xr.Dataset) -> dict[str, float]:
    """The λ of each optimizer's least error on the held-out images; the largest of equal ones."""
    errors = held_out_errors(tuned).fillna(np.inf).min("eta_index")
    best = {}
    for label in errors.optimizer.values:
        here = errors.sel(optimizer=label)
        best[str(label)] = float(here.lam.values[np.flatnonzero(here.values == here.min().item()).max()])
    return best


def held_out_errors(tuned: xr.Dataset) -> xr.DataArray:
    """(optimizer, lam, eta_index) errors on held-out images, NaN where a training has diverged.

    The mean of the last `LOOKS` that were taken: with a constant learning rate the last iterate alone is noisy.
    """
    path = counted(tuned, "test_error_path").isel(test_record=slice(-LOOKS, None))
    return path.mean(["seed", "test_record"], skipna=False).transpose("optimizer", "lam", "eta_index")
