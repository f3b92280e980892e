"""What `kou2023` says: the published tables beside ours, and which setting they are of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from adam_vs_gd.experiments import markdown
from adam_vs_gd.experiments.papers.kou2023_agreement import (
    CROSSED,
    THEORY,
    Agreement,
    Line,
    agreement,
    level_line,
)
from adam_vs_gd.experiments.papers.kou2023_training import ETA, FLIPPED, STEPS, TEST_SIZE, WIDTH, N
from adam_vs_gd.experiments.summary import Estimate
from adam_vs_gd.results.statistics import student

REPETITIONS = 10  # behind each published number
RARE = 0.01  # the probability below which differences are not put down to chance
SLIGHT, SLIGHT_RATIO = 0.01, 0.1  # a difference of errors, and of a ratio from 1, that leaves a map what it is
STRONG = 8.0  # ‖μ‖ from where the test error is near its least
REPRODUCED, IN_PART, NOT = "reproduced", "reproduced in part", "not reproduced"


def compared(theirs: xr.Dataset, ours: xr.Dataset) -> str:
    """The table paper / theirs / ours / verdict."""
    mean = ours.test_error
    errors, losses = (held(theirs, ours, name) for name in ("test_error", "loss"))
    lines = [level_line(table) for table in (theirs.test_error, mean)]
    strong, none = (
        [over_cells(t.sel(mu=where)) for t in (theirs.test_error, mean)] for where in (slice(STRONG, None), 0)
    )
    near = f"within two standard errors of both, {100 * errors.expected:.1f} % if drawn alike"
    rows = [
        ["what", "paper", "theirs", "ours", "verdict"],
        ["test error, mean of the map", "-", f"{theirs.test_error.mean().item():.4f}", f"{mean.mean().item():.4f}",
         f"{of_errors(errors)}: ours − theirs {errors.bias}"],
        [f"test error, {mean.size} cells", "-", f"means of {REPETITIONS}", f"means of {ours.attrs['seeds']}",
         f"{100 * errors.within:.1f} % of them {near}; correlation {errors.correlation:.4f}; block means differ with "
         f"p = {errors.probability:.2g}"],
        ["training loss, mean of the map", "near 0", *(f"{table.loss.mean().item():.3g}" for table in (theirs, ours)),
         f"{of_losses(losses)}: ours/theirs {losses.ratio} (median of the cells), {100 * losses.within:.1f} % {near}"],
        [f"test error, ‖μ‖ ≥ {STRONG:g}", f"near Bayes' {FLIPPED:g}", *map(str, strong), alike(*strong)],
        ["test error, ‖μ‖ = 0", "harmful", *map(str, none), alike(*none)],
        [f"κ of ‖μ‖ ∝ d^κ at test error {CROSSED:g}", "1/4, of the condition", *(str(line.exponent) for line in lines),
         of_lines(*lines)],
        ["with κ = 1/4: C, rms of ln ‖μ‖", "-", *(f"{line.given:.3f}, {line.given_rms:.3f}" for line in lines),
         f"rms with κ fitted: {lines[0].rms:.3f} and {lines[1].rms:.3f}"],
    ]  # fmt: skip
    return markdown.table(rows)


def held(theirs: xr.Dataset, ours: xr.Dataset, name: str) -> Agreement:
    """Our `test_error` or `loss` against theirs."""
    mean, deviation = ours[name].values, ours[f"{name}_deviation"].values
    return agreement(theirs[name].values, mean, deviation, REPETITIONS, ours.attrs["seeds"])


def over_cells(table: xr.DataArray) -> Estimate:
    """The mean over cells, which are independent."""
    mean, low, high, _ = student(table.values.ravel())
    return Estimate(float(mean), float(low), float(high))


def alike(one: Estimate, other: Estimate) -> str:
    """Whether intervals of two means leave room for no difference."""
    half = np.hypot((one.high - one.low) / 2, (other.high - other.low) / 2)
    return REPRODUCED if abs(one.value - other.value) <= half else NOT


def of_errors(found: Agreement) -> str:
    """Whether no difference is to be seen, or a slight one."""
    if found.bias.holds(0) and found.probability >= RARE:
        return REPRODUCED
    return IN_PART if abs(found.bias.value) < SLIGHT else NOT


def of_losses(found: Agreement) -> str:
    """The same of losses, by their ratio: means of ten are of heavy tails."""
    if found.ratio.holds(1):
        return REPRODUCED
    return IN_PART if abs(found.ratio.value - 1) < SLIGHT_RATIO else NOT


def of_lines(theirs: Line, ours: Line) -> str:
    """Whether exponents agree with each other, and with the theory."""
    with_theory = " and ".join(
        f"{name} {'holds' if line.exponent.holds(THEORY) else 'excludes'} 1/4"
        for name, line in (("theirs", theirs), ("ours", ours))
    )
    return f"their line: {alike(theirs.exponent, ours.exponent)}; {with_theory}"


def settings(theirs: xr.Dataset, ours: Mapping[str, xr.Dataset]) -> str:
    """Which setting the published numbers are of: each against them, in the same cells."""
    rows = [["trained", "test error, ours − theirs", "block means, p", "training loss, ours/theirs", "verdict"]]
    for name, results in ours.items():
        shifted = results.assign_coords(d=theirs.d)
        errors, losses = (held(theirs, shifted, variable) for variable in ("test_error", "loss"))
        verdicts = {of_errors(errors), of_losses(losses)}
        verdict = NOT if NOT in verdicts else IN_PART if IN_PART in verdicts else REPRODUCED
        rows.append([name, str(errors.bias), f"{errors.probability:.2g}", str(losses.ratio), verdict])
    head = (
        f"Which setting the published numbers are of, in {theirs.test_error.size} cells (every fifth row and column):"
    )
    return f"## The setting\n\n{head}\n\n{markdown.table(rows)}"


def beyond(ours: xr.Dataset, larger: xr.Dataset) -> str:
    """The exponent of d beyond the published map, beside that of the map."""
    inside, line = (level_line(table.test_error) for table in (ours, larger))
    d, both = larger.d.values, zip(("1/4", "that of the map"), (THEORY, inside.exponent.value), strict=True)
    said = " and ".join(f"{'holds' if line.exponent.holds(value) else 'excludes'} {name}" for name, value in both)
    return (
        f"## Beyond the map\n\nThe same trainings at {len(d)} values of d from {d[0]:g} to {d[-1]:g} have the level "
        f"{CROSSED:g} at ‖μ‖ ∝ d^κ with κ = {line.exponent}, which {said}, {inside.exponent.value:.3f}."
    )


def notes(ours: xr.Dataset, *, quick: bool) -> str:
    """What was trained, and how the numbers are to be read."""
    seeds = ours.attrs["seeds"]
    said = [
        f"Trained: n = {N}, m = {WIDTH} filters a class, with biases, the activations of both patches summed; gradient "
        f"descent, η = {ETA:g}, {STEPS} steps, from PyTorch's default start. Labels are flipped with probability "
        f"{FLIPPED:g}, those of the {TEST_SIZE:,} test examples too. {seeds} seed{'s' * (seeds != 1)} a cell, "
        f"{ours.test_error.size * seeds:,} trainings, each with noise of its own, as theirs; their cells "
        f"are means of {REPETITIONS}.",
        "Estimates are 95 %: Student's of means over cells, order statistics' of medians, of κ by the residuals of the "
        "rows. Standard errors, of both, are by the variance of our trainings, averaged over 5 × 5 cells; p is of "
        "means of 5 × 5 blocks at least as far apart, if both maps were drawn alike. The theorem is for large d, and "
        "leaves constants open: an exponent of one level at these d is not its claim.",
    ]
    if quick:
        said.append("NOT the reproduction: every tenth row and column (--quick).")
    return "\n\n".join(said)
