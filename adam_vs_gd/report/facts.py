"""What a page says of a sweep beside its numbers: what it is, what made it, and how to make it again. All escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import xarray as xr

from adam_vs_gd.engine.progress import duration
from adam_vs_gd.problems import family_of_results
from adam_vs_gd.report.words import symbol, written
from adam_vs_gd.results.selection import swept
from adam_vs_gd.results.statistics import LEVEL, census
from adam_vs_gd.results.time import rest, when
from adam_vs_gd.results.uneven import searches, told
from adam_vs_gd.results.words import drawn_first, outcomes, pending
from adam_vs_gd.store.journal import Survey

UNTOLD = "not told"
MADE_BY = ("versions", "python", "commit", "platform", "device", "kernel", "path", "precision")
"""Attributes of a result that say what computed it."""


def title(results: xr.Dataset) -> str:
    """The name of a sweep."""
    return str(results.attrs.get("title", "results"))


def progress(results: xr.Dataset) -> str:
    """How much of a sweep is computed, as text."""
    done = int((results.status != pending(results)).sum())
    return f"{done} lanes computed" if searches(results) else f"{done} of {results.status.size} lanes computed"


def summary(results: xr.Dataset) -> str:
    """What a sweep is, as HTML: axes, fixed values, seeds."""
    attrs = results.attrs
    seeds = [str(seed) for seed in results.seed.values]
    rows = [("Title", title(results)), ("Digest", attrs.get("digest", UNTOLD)), ("Computed", progress(results))]
    rows += [(f"Axis: {meaning(results, dim)}", axis_values(results, dim)) for dim in swept(results)]
    rows += [("Seeds", f"{len(seeds)}: {', '.join(seeds)}")]
    time = ", ".join(filter(None, [when(results, drawn_first(results)), rest(results)]))
    rows += [("Time", time)] if time else []
    rows += [("Model", attrs["model"])] if "model" in attrs else []
    rows += [(f"Fixed: {meaning(results, name)}", value) for name, value in fixed(results)]
    rows += [("Refined", line) for line in told(results)]
    rows += family_of_results(results).facts(results)
    return definitions(rows)


def meaning(results: xr.Dataset, key: str) -> str:
    """A number of the spec in words, with its symbol."""
    words = results[key.removesuffix("_index")].attrs.get("long_name", "")
    return f"{words} {symbol(results, key)}".strip()


def axis_values(results: xr.Dataset, dim: str) -> str:
    """The values of an axis; of each optimizer where they have their own."""
    values = results[dim.removesuffix("_index")]
    if values.ndim == 1:
        return ", ".join(written(values.values))
    return "; ".join(
        f"{label} {', '.join(written(own))}" for label, own in zip(results.optimizer.values, values.values, strict=True)
    )


def fixed(results: xr.Dataset) -> Iterable[tuple[str, str]]:
    """(name, value) of every number that is not swept."""
    for name, values in results.coords.items():
        if values.dims == ():
            yield str(name), written(values.values.reshape(1))[0]
        elif values.dims == ("optimizer",) and name != "optimizer":
            pairs = zip(results.optimizer.values, written(values.values), strict=True)
            yield str(name), ", ".join(f"{label} {text}" for label, text in pairs if text != "none")


def statuses(results: xr.Dataset) -> str:
    """Lanes of each status, by optimizer, as an HTML table."""
    names, *counted = census(results)
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    rows = []
    for label, *counts in counted:
        cells = "".join(f"<td>{count}</td>" for count in counts)
        rows.append(f'<tr><th scope="row">{html.escape(label)}</th>{cells}</tr>')
    return (
        '<div class="wide"><table><caption>'
        "Lanes (optimizer × axes × seeds) of each status</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def machine(results: xr.Dataset, survey: Survey | None) -> str:
    """Versions, device and timings, as HTML."""
    rows = [(name.capitalize(), str(results.attrs.get(name, UNTOLD))) for name in MADE_BY]
    return definitions([*rows, ("Computing time", timings(survey))])


def timings(survey: Survey | None) -> str:
    """How long the chunks of a journal took, as far as it tells."""
    if survey is None or not survey.seconds:
        return UNTOLD
    told = [seconds for seconds in survey.seconds if seconds is not None]
    lanes, chunks = len(survey.done), len(survey.seconds)
    what = f"{lanes} lanes in {chunks} {'chunk' if chunks == 1 else 'chunks'}"
    if not told:
        return f"{UNTOLD} ({what})"
    missing = f"; {UNTOLD} by {chunks - len(told)} of the chunks" if len(told) < chunks else ""
    return f"{duration(sum(told))} for {what}, without compiling, and without what ran before an interruption{missing}"


def reproduction(results: xr.Dataset) -> str:
    """The commands that make a sweep again, and the Python that reads it, as HTML."""
    attrs = results.attrs
    if "spec" not in attrs:
        return "<p>These results carry no spec, so the page cannot say how.</p>"
    commit = str(attrs.get("commit", "unknown"))
    path = " --path reference" if attrs.get("path") == "reference" else ""
    plain = commit.replace("-dirty", "")
    known = plain.isalnum() and plain != "unknown"
    commands = [
        *([f"git checkout {plain}"] if known else []), "python -m pip install .",
        f"adam-vs-gd sweep spec.toml --out runs/again{path}", "adam-vs-gd report runs/again",
    ]  # fmt: skip
    notes = ["Save the spec above as <code>spec.toml</code>; then, in a clone of adam-vs-gd:"]
    if "dirty" in commit:
        notes.append("(The code had changes that this commit does not hold; the numbers may differ.)")
    elif not known:
        notes.append(f"(Which commit computed it is not told, or not one: {html.escape(commit)}.)")
    at = "".join(f", {dim}={results[dim].values[0].item()!r}" for dim in swept(results))
    label = str(results.optimizer.values[0])
    python = (
        "import adam_vs_gd as ag\n\n"
        'results = ag.load_results("runs/again")  # an xarray.Dataset\n'
        f"lanes = results.sel(optimizer={label!r}{at})\n"
        f"print(lanes.{drawn_first(results)}.values, lanes.status.values)"
    )
    return (
        f"<p>{' '.join(notes)}</p>{code(chr(10).join(commands), 'Commands')}"
        f"<p>To read it in Python:</p>{code(python, 'Python')}"
    )


def meaning_of_intervals(results: xr.Dataset) -> str:
    """How means and intervals are made, as text."""
    known = outcomes(results)[1:]
    nowhere = [one.name for one in known if not one.counts]
    in_rates = [one.name for one in known if one.counts and not one.in_rates]
    left_out = [f"{' and '.join(nowhere)} lanes count in no mean".capitalize()] if nowhere else []
    left_out += [f"{' and '.join(in_rates)} ones in no mean of errors"] if in_rates else []
    return (
        f"Means over seeds with {LEVEL * 100:g} % intervals: Student's t, and for errors never narrower than Wilson's "
        "interval of all their examples together (Newcombe's for differences, which pair lanes of the same seed). "
        f"{', '.join(left_out)}."
    )


def definitions(rows: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are, as HTML."""
    inner = "".join(f"<div><dt>{html.escape(term)}</dt><dd>{html.escape(value)}</dd></div>" for term, value in rows)
    return f"<dl>{inner}</dl>"


def code(text: str, label: str) -> str:
    """Text as it stands, as HTML; it can be scrolled by keyboard."""
    return f'<pre tabindex="0" role="region" aria-label="{html.escape(label)}"><code>{html.escape(text)}</code></pre>'
