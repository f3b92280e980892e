"""The page of a run in Markdown, from its JSON alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerator.work import MISSING, RESULTS, Figures

TABLE1 = Path(__file__).parent.parent.parent / "results" / "table1" / "table1.md"


def page(record: Mapping[str, Any]) -> str:
    """All of it; what is missing is named, with the reason, at its end."""
    run, steps = record["run"], record["steps"]
    done: dict[str, list[Figures]] = {}
    for step in steps.values():
        if MISSING not in step:
            done.setdefault(step["section"], []).append(step)
    sections = {section: done.get(section, []) for section in ("table1", "beside", "bench", "products", "numerics")}
    whole = done.get("whole", [])
    missing = [[name, step[MISSING]] for name, step in steps.items() if MISSING in step]
    parts = [
        f"# {run['device']}",
        "\n".join(f"- {line}" for line in reading(run, **sections)),
        table(["run", ""], [[key, value] for key, value in run.items() if key != "full"]),
        *table1(run, sections["table1"], sections["beside"]),
        *sweeps(run, whole),
        *speed_and_memory(run, sections["bench"]),
        *numerics(run, sections["products"], sections["numerics"]),
        *profiles(run, done.get("profile", [])),
        "## Not measured",
        table(["step", "reason"], missing) if missing else "Nothing is missing.",
    ]
    return "\n\n".join(parts)


def reading(
    run: Mapping[str, Any], table1: list[Figures], beside: list[Figures], bench: list[Figures],
    products: list[Figures], numerics: list[Figures],
) -> list[str]:  # fmt: skip
    """What it means, in three lines: results, speed and memory, precision."""
    where = run["device"] + ("" if run["platform"] != "cpu" else " (no accelerator: these are figures of a CPU)")
    if not run["full"]:
        where += ", at a size that means nothing"
    errors = ", ".join(f"{o} {mean(s, 'test_error')}" for o, s in {s["optimizer"]: s for s in table1}.items())
    apart = [worst(step) for step in beside if "differences" in step]
    fastest = {s["optimizer"]: s for s in sorted(bench, key=lambda s: s["lane_steps_per_second"])}
    speeds = "; ".join(
        f"{o} {s['lane_steps_per_second']:,.0f} by `{s['method']}` at {s['lanes']} lanes, of which each takes "
        f"{size(s['compiled'] * s['devices'] / s['lanes'])} ({size(s['planned'] * s['devices'] / s['lanes'])} planned)"
        for o, s in sorted(fastest.items())
    )
    lower = ", ".join(f"{s['optimizer']} {s['precision']} {worst(s):.1g}" for s in numerics if "differences" in s)
    against = " or ".join(sorted({s["against"] for s in numerics if "against" in s})) or "float64"
    return [
        f"Test error on {where}: {errors or MISSING}; the same lanes on its CPU differ by at most "
        f"{f'{max(apart):.1g}' if apart else MISSING}.",
        f"Lane-steps per second at most: {speeds or MISSING}.",
        f"Largest difference of a final figure from {against}, by precision of products: {lower or MISSING}.",
    ]


def table1(run: Mapping[str, Any], on_device: list[Figures], on_cpu: list[Figures]) -> list[str]:
    """Table 1 on the device, beside the CPU's own and the committed one."""
    rows = []
    for place, found in (("", on_device), (", beside" if run["platform"] == "cpu" else "", on_cpu)):
        for s in found:
            values = [mean(s, name) for name in RESULTS]
            rows.append([s["optimizer"], s["device"] + place, s["method"], len(s["seeds"]), *values, s["seconds"]])
    if run["full"]:
        kept = committed()
        for label in sorted({label for _, label in kept}):
            values = [kept.get((name, label), "") for name in RESULTS.values()]
            rows.append([label, "results/table1, on a CPU", "", 5, *values, ""])
    apart = [[s["optimizer"], *s["differences"].values()] for s in on_cpu if "differences" in s]
    return [
        "## Table 1",
        f"{run['size']}. Means over seeds, with their range (committed ones with their 95 % interval), and seconds of "
        "training without compilation.",
        table(["optimizer", "device", "method", "seeds", *RESULTS.values(), "s"], rows),
        f"Largest difference between {run['device']} and the CPU beside it, lane by lane: of errors as it is, of the "
        "others relative to the largest.",
        table(["optimizer", *RESULTS.values()], apart),
    ]


def sweeps(run: Mapping[str, Any], whole: list[Figures]) -> list[str]:
    """Whole sweeps over α, by way."""
    rows = [
        [s["lanes"], s["optimizer"], s["method"], s["seconds"], s["lane_steps_per_second"], s["compilation"]]
        for s in sorted(whole, key=lambda s: (s["optimizer"], s["seconds"]))
    ]
    return [
        "## Sweeps",
        f"On {run['device']}: trainings of several seeds and values of α, from their draws to their last test error.",
        table(["trainings", "optimizer", "method", "s", "lane-steps/s", "compiled in s"], rows),
    ]


def speed_and_memory(run: Mapping[str, Any], bench: list[Figures]) -> list[str]:
    """Lane-steps per second, and bytes planned, compiled and used, by method and width."""
    bench = sorted(bench, key=lambda s: (s["optimizer"], s["method"], s["lanes"]))
    speeds, bytes_ = [], []
    for s in bench:
        named, rate = [s["optimizer"], s["method"], s["lanes"]], s["lane_steps_per_second"]
        speeds.append([*named, rate, 1e6 * s["lanes"] / rate, s["compilation"]])
        used = "not told" if s["peak"] is None else ("" if s["peak_is_its_own"] else "at most ") + size(s["peak"])
        told = (size(s[key]) for key in ("planned_lane", "planned", "compiled", "compiled_steps"))
        bytes_.append([*named, s["devices"], *told, used])
    return [
        "## Speed",
        f"On {run['device']}: lanes of four seeds side by side, stepped for about a second.",
        table(["optimizer", "method", "lanes", "lane-steps/s", "µs a step of all", "compiled in s"], speeds),
        "## Memory",
        f"On {run['device']}, of each device: by our count, a lane and all; by XLA's, the largest program and that of "
        "the steps; and the most that was in use, which tells only where this step raised it.",
        table(
            [
                "optimizer",
                "method",
                "lanes",
                "devices",
                "planned a lane",
                "planned",
                "compiled",
                "of the steps",
                "in use",
            ],
            bytes_,
        ),
    ]


def numerics(run: Mapping[str, Any], products: list[Figures], trained: list[Figures]) -> list[str]:
    """What products of lower precision do to results, and how fast one is alone."""
    rows = [
        [s["optimizer"], s["precision"], s["method"], s["lane_steps_per_second"], s.get("products", ""),
         s.get("against", "the reference"), *s.get("differences", dict.fromkeys(RESULTS, "")).values()]
        for s in trained
    ]  # fmt: skip
    alone = [
        [precision, *([f["error"], f["microseconds"], f["flops"] / 1e12] if MISSING not in f else [f[MISSING], "", ""])]
        for s in products for precision, f in s["precisions"].items()
    ]  # fmt: skip
    shape = "".join(f", {s['shape']}" for s in products)
    return [
        "## Numerics",
        f"Table 1's lanes on {run['device']} with all products of their steps at another precision than the package's "
        "own, which is `highest`: the largest difference from a reference after the last step, of errors as it is, of "
        "the others relative to the largest. The package asks for `Precision.HIGHEST` in each product, which "
        "`jax_default_matmul_precision` does not reach; so the primitive of products is told otherwise while steps are "
        "traced (how many it traced is counted). Measurements stay exact. float64 starts from the draws of float32. "
        "Lanes are few: the speeds are those of a narrow chunk. A CPU takes products in float32, whatever it is "
        "asked for.",
        table(["optimizer", "precision", "method", "lane-steps/s", "products", "against", *RESULTS.values()], rows),
        f"One product of a step alone{shape}, relative error against float64:",
        table(["precision", "error", "µs", "TFLOP/s"], alone),
    ]


def profiles(run: Mapping[str, Any], found: list[Figures]) -> list[str]:
    """Kernels of a step, by optimizer."""
    parts = [
        "## Profile",
        f"The first steps on {run['device']}, by JAX's profiler: calls of each kernel and its own time, all devices "
        "together. What is called less often than there are steps is W*, or what a segment of steps begins with.",
    ]
    for s in found:
        rows = [[f"`{k['name']}`", k["calls"], k["microseconds"], f"{k['share']:.1%}"] for k in s["kernels"]]
        parts += [
            f"{s['optimizer']} by `{s['method']}`, {s['lanes']} lanes on {s['devices']} devices, {s['steps']} steps: "
            f"{s['wall_microseconds'] / s['steps']:,.0f} µs a step when not profiled; in kernels of {s['kinds']} names "
            f"{s['busy_microseconds'] / s['steps'] / s['devices']:,.0f} µs a step and device.",
            table(["kernel", "calls", "µs", "share"], rows),
        ]
    return parts if found else [*parts, f"{MISSING.capitalize()}."]


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Cells in Markdown, numbers to three digits; words where there is no row."""

    def text(cell: Any) -> str:
        if isinstance(cell, float):
            return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.3g}"
        return f"{cell}".replace("|", r"\|")

    lines = [f"| {' | '.join(map(text, row))} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) if len(lines) > 2 else f"{MISSING.capitalize()}."


def mean(step: Figures, name: str) -> str:
    """A result's mean over seeds and its range; all of it, where one is not finite."""
    values = [row[name] for row in step["seeds"].values()]
    if any(isinstance(value, str) for value in values):
        return ", ".join(f"{value}" for value in values)
    return f"{sum(values) / len(values):.4g} ({min(values):.4g} … {max(values):.4g})"


def worst(step: Figures) -> float:
    """The largest of a step's differences; NaN if any is."""
    values = [float(value) for value in step["differences"].values()]
    return max(values, key=lambda value: (value != value, value))


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"


def committed() -> dict[tuple[str, str], str]:
    """{(result, optimizer): mean and interval} of results/table1; nothing, if that is not there."""
    with contextlib.suppress(OSError, IndexError):
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TABLE1.read_text("utf-8").splitlines()]
        columns = {cell.split()[0]: i for i, cell in enumerate(rows[0]) if "interval" in cell}
        return {(row[0], label): row[i] for row in rows[2:] if row for label, i in columns.items()}
    return {}
