"""The engine on anybody's function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adam_vs_gd.engine.settings import Settings
from adam_vs_gd.engine.sweep import sweep
from adam_vs_gd.objects import name_of, named_code
from adam_vs_gd.spec.sweep_spec import SweepSpec

if TYPE_CHECKING:
    import xarray as xr


def sweep_function(
    fn: Any,
    axes: Mapping[str, Any],
    fixed: Mapping[str, float] | None = None,
    static: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] = 3,
    out: str | Path | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    version: str | int | None = None,
    *,
    name: str | None = None,
    steps: int | Sequence[int] | None = None,
    record: int | None = None,
    precision: str = "float32",
    refine: Any = None,
    overwrite: bool = False,
    executor: Any = None,
    **settings: Any,
) -> xr.Dataset:
    """Evaluate a function, or run a training, at every point of some axes and for every seed.

    Lanes are planned, padded, vmapped, jitted, spread over devices, kept in a journal, resumed and extended as those of
    every other sweep: what is computed is never computed again.

    Args:
        fn: `fn(hyper, key) -> {name: array}`, jittable: `hyper` holds every number by name, those of `axes` and `fixed`
            traced (floats), those of `static` as they are; `key` is the seed's (a typed Threefry key; lanes of one seed
            share it). Arrays are real, of any shape that does not depend on traced numbers; one that is not finite
            makes its lane `diverged`, and counts in no mean. Or a training: a tuple (or an object with these
            attributes) `init(hyper, key) -> state`, `step(hyper, key, state, t) -> state` for t = 0 .. steps-1, and
            `measure(hyper, key, state) -> {name: array}`; it is checkpointed, interrupted and resumed between steps.
        axes: {name: values}, the dimensions of the result.
        fixed: {name: value} of further numbers.
        static: {name: value or values} of numbers that are compiled in: sizes, or what the code branches on. Each value
            is a compilation; several are a dimension.
        seeds: a count, or a list of them.
        out: a folder, or an address such as s3://bucket/prefix; None keeps everything in memory.
        dims: {output: names of its dimensions}; `<output>_0` and so on by default.
        version: of the code, by which lanes are named; by default a digest of its source and of all of yours that it
            reaches, so that changed code never serves old lanes.
        name: of the sweep; the function's by default.
        steps: of a training; a list is a dimension.
        record: a training is measured at `record` + 1 steps; 0 for its end only, at most 100 by default.
        precision: "float32" or "float64".
        refine: what is looked for between the values of two or three axes, as keys of a spec's [refine]; True for where
            lanes begin to diverge. None fills the grid.
        overwrite: move a folder that is there aside first.
        executor: who evaluates it instead of this process, as for `run_sweep`.
        settings: those of `run_sweep`: `devices`, `memory`, `checkpoint_every`, `quiet` and so on.

    Returns:
        A Dataset with dimensions of the axes, of static numbers that are swept, and `seed`; `status` is `pending`,
        `diverged` or `done`. `ag.load_results(out)` gives it again, and all that takes results takes it.

    Raises:
        SpecError: if a number, or the function, is not what it should be; before anything is written.
        FolderError, MachineError, DiskError, Interrupted: as `run_sweep`.
    """
    named = name_of(fn) if not isinstance(fn, tuple) else name_of(fn[0])
    code = named_code(named, fn, version)
    problem = {"import": named, "version": version, "precision": precision, "dims": dims_of(dims), "code": code}
    spec = SweepSpec(
        name=name or fit_for_a_folder(named.rpartition(":")[2]), seeds=seeds, steps=steps, record=record,
        problem=problem, axes=dict(axes), fixed=dict(fixed or {}), static=dict(static or {}),
        refine=refine,
    )  # fmt: skip
    return sweep(spec, out, {"problem": fn}, Settings(**settings), overwrite=overwrite, executor=executor)


def dims_of(dims: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Names of dimensions as a spec has them."""
    return None if dims is None else {key: [n] if isinstance(n, str) else list(n) for key, n in dims.items()}


def fit_for_a_folder(name: str) -> str:
    """A name of letters, digits, - and _."""
    fit = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-.")
    return fit or "function"
