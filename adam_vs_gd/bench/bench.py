"""`adam-vs-gd bench`: the same lanes trained by this engine and by what a user would pick instead, in one run."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adam_vs_gd.store.files import publish
from adam_vs_gd.store.provenance import processor, provenance

STEP_FLOPS = 4 * 2 * 20 * 200 * 1000  # of a lane's step by dense products: forward and back, 2·m·n·d each, two a number
AGREEMENT = 1e-4  # relative distance of weights at which two contenders still agree
SEEDS = 4


@dataclass(frozen=True)
class Contender:
    """Something that trains lanes.

    Attributes:
        name: in the table.
        run: what `contender` calls it.
        lanes: how many it is given; the best of several.
        environment: variables that its process has beside ours.
    """

    name: str
    run: str
    lanes: tuple[int, ...]
    environment: dict[str, str]


CONTENDERS = (
    Contender("this engine, fast", "fast", (64,), {}),
    Contender("this engine, fast, without the native kernel", "fast", (32,), {"ADAM_VS_GD_NATIVE": "off"}),
    Contender("this engine, reference", "reference", (32,), {}),
    Contender("plain vmapped JAX", "plain_jax", (4, 8, 16, 32), {}),
    Contender("torch.func vmap", "torch_vmap", (4, 16), {}),
    Contender("PyTorch eager", "torch_eager", (1,), {}),
)


def run(out: Path | None, *, quick: bool, say: Callable[[str], None]) -> str:
    """Time everybody on the same work, and check that all come to the same weights.

    Args:
        out: a JSON file for the figures.
        quick: a fifth of the steps, once; a try.
        say: called with a line now and then.

    Returns:
        The table as text.

    Raises:
        FileNotFoundError: if there is no folder for the file; before anything is timed.
        RuntimeError: if a contender fails, or two disagree.
    """
    if out and not out.absolute().parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(out.absolute().parent))
    steps, rounds = (200, 1) if quick else (1000, 2)
    installed = [c for c in CONTENDERS if "torch" not in c.run or importlib.util.find_spec("torch")]
    figures: dict[str, Any] = {
        **provenance(), "device": processor(), "threads": threads(), "steps": steps, "rounds": rounds,
        "work": "Table 1: n = 200, d = 1000, s = 100, m = 20, q = 3; alpha in 0.2 .. 0.8, 4 seeds", "optimizers": {},
    }  # fmt: skip
    if len(installed) < len(CONTENDERS):
        say("PyTorch is not installed: pip install 'adam-vs-gd[bench]' adds it to the comparison")
    peak = max(contend("peak", "adam", 1, 1, 1, {})[1]["flops"] for _ in range(rounds))
    figures["peak_flops"] = peak
    for optimizer in ("adam", "gd"):
        rows: dict[str, dict[str, Any]] = {}
        weights: dict[str, np.ndarray] = {}
        for turn in range(rounds):  # in turns, so that a slow spell of the machine hits them alike
            for contender in installed:
                say(f"{optimizer}: {contender.name} ({turn + 1} of {rounds})")
                for lanes in contender.lanes:
                    seeds = min(SEEDS, lanes)
                    found, seen = contend(contender.run, optimizer, lanes, seeds, steps, contender.environment)
                    speed = lanes * steps / seen["seconds"]
                    weights[contender.name] = found[:1]
                    if speed > rows.get(contender.name, {}).get("speed", 0):
                        rows[contender.name] = {"speed": speed, "lanes": lanes, **seen}
        apart = disagreement(weights)
        say(f"{optimizer}: a sweep to its Dataset on disk")
        whole = contend("end_to_end", optimizer, 64, SEEDS, 10 * steps, {})[1]
        figures["optimizers"][optimizer] = {"contenders": rows, "disagreement": apart, "end_to_end": whole}
    if out:
        publish(out, json.dumps(figures, indent=1).encode(), replace=True)
    return table(figures)


def contend(
    name: str, optimizer: str, lanes: int, seeds: int, steps: int, environment: dict[str, str]
) -> tuple[np.ndarray, dict[str, Any]]:
    """(weights, figures) of one contender, in a process of its own, so that everyone has JAX's or torch's defaults.

    Raises:
        RuntimeError: if it fails.
    """
    work = {"contender": name, "optimizer": optimizer, "lanes": lanes, "seeds": seeds, "steps": steps}
    with tempfile.TemporaryDirectory() as folder:
        given, taken = Path(folder, "work.json"), Path(folder, "out.npz")
        given.write_text(json.dumps(work), encoding="utf-8")
        command = [sys.executable, "-m", "adam_vs_gd.bench.contender", str(given), str(taken)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{name} on {optimizer}, {lanes} lanes: {done.stderr.strip()[-2000:]}")
        with np.load(taken) as found:
            return found["weights"], json.loads(str(found["figures"]))


def disagreement(weights: dict[str, np.ndarray]) -> float:
    """Largest relative distance of the first lane's weights between two contenders.

    Raises:
        RuntimeError: if it is more than `AGREEMENT`.
    """
    names = list(weights)
    norm = np.linalg.norm(weights[names[0]])
    apart = {(a, b): float(np.linalg.norm(weights[a] - weights[b]) / norm) for a in names for b in names if a < b}
    worst = max(apart, key=lambda pair: apart[pair])
    if not apart[worst] <= AGREEMENT:
        raise RuntimeError(f"{worst[0]} and {worst[1]} end at weights {apart[worst]:.1e} apart: one of them is wrong")
    return apart[worst]


def threads() -> int:
    """Cores that this process may use."""
    from adam_vs_gd.engine.machine import cores

    return cores()


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    peak = figures["peak_flops"]
    lines = [
        f"{figures['device']}, {figures['threads']} threads; {figures['work']}; {figures['steps']} steps",
        f"peak of a plain float32 matrix product: {peak / 1e9:,.0f} GFLOP/s, that is {peak / STEP_FLOPS:,.0f} "
        "lane-steps/s by dense products",
    ]
    for optimizer, found in figures["optimizers"].items():
        rows, whole = found["contenders"], found["end_to_end"]
        against = [name for name in ("plain vmapped JAX", "torch.func vmap", "PyTorch eager") if name in rows]
        lines += ["", f"{optimizer:<46}{'lane-steps/s':>12}{'lanes':>7}{'compile':>9}"]
        lines[-1] += "".join(f"{'x ' + name:>20}" for name in against)
        for name, row in rows.items():
            compiled = f"{row['compilation']:8.1f}s" if "compilation" in row else " " * 9
            ratios = "".join(f"{row['speed'] / rows[other]['speed']:>20.2f}" for other in against)
            lines.append(f"{name:<46}{row['speed']:>12,.0f}{row['lanes']:>7}{compiled}{ratios}")
        without = rows["this engine, fast, without the native kernel"]
        if without["method"] == "dense":
            lines.append(f"without the native kernel: {without['speed'] * STEP_FLOPS / peak:.0%} of the product's peak")
        lines.append(f"all end at the same weights, to {found['disagreement']:.0e}")
        lines.append(
            f"64 lanes x {10 * figures['steps']} steps, to the Dataset on disk: {whole['sweep']:.1f} s, "
            f"{whole['ratio']:.3f} x the bare loop ({whole['bare']:.1f} s: steps {whole['steps']:.1f}, evaluation "
            f"{whole['evaluation']:.1f} = {whole['evaluation'] / whole['bare']:.1%}, draws {whole['draws']:.1f})"
        )
    return "\n".join(lines)
