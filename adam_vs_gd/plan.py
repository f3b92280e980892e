"""What a sweep has to compute: cells of the result -> lanes -> groups of one program -> padded chunks. Pure, no JAX."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from adam_vs_gd.keys import KINDS, NUMBERS, OPTIMIZER
from adam_vs_gd.spec import SweepSpec, axes
from adam_vs_gd.types import Hyper, Static

NUMERICS = 1  # version of the numbers: raised whenever the same lane would come out different
MIN_WIDTH = 4  # narrower chunks round differently
MAX_SEGMENT = 500  # steps between two looks of the host


@dataclass(frozen=True)
class Lane:
    """One training.

    Attributes:
        static: what decides its program.
        hyper: its numbers, Python floats (s an int); a `Hyper`, or another problem's NamedTuple.
        seed: its seed.
        record: its trajectory's record.
    """

    static: Static
    hyper: Hyper
    seed: int
    record: int

    @cached_property
    def digest(self) -> str:
        """A name made of all that determines the lane's result, its numbers in full precision."""
        parts = [NUMERICS, asdict(self.static), self.hyper._asdict(), self.seed, self.record]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Chunk:
    """Lanes that run side by side, and the seeds whose randomness they share."""

    lanes: tuple[Lane, ...]

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The distinct seeds, in order."""
        return tuple(dict.fromkeys(lane.seed for lane in self.lanes))

    @cached_property
    def digest(self) -> str:
        """A name made of those of the lanes."""
        return hashlib.sha256("".join(lane.digest for lane in self.lanes).encode()).hexdigest()


@dataclass(frozen=True)
class Group:
    """Chunks that share one compiled program.

    Attributes:
        static: what decides the program.
        ranks: R, the largest s among the lanes.
        record: the lanes' record.
        width: lanes a chunk is padded to.
        seed_slots: seeds a chunk is padded to.
        chunks: the work.
    """

    static: Static
    ranks: int
    record: int
    width: int
    seed_slots: int
    chunks: tuple[Chunk, ...]

    @property
    def lanes(self) -> int:
        """Lanes of all chunks, padding not counted."""
        return sum(len(chunk.lanes) for chunk in self.chunks)


@dataclass(frozen=True)
class Plan:
    """All that has to be computed, in order."""

    groups: tuple[Group, ...]

    @property
    def lanes(self) -> int:
        """Lanes of all groups."""
        return sum(group.lanes for group in self.groups)

    @property
    def lane_steps(self) -> int:
        """Training steps of all lanes."""
        return sum(group.lanes * group.static.steps for group in self.groups)


def cells(spec: SweepSpec) -> Iterator[tuple[tuple[int, ...], Lane]]:
    """Every cell of the result with the lane that fills it: ((optimizer, *axes, seed) indices, lane).

    An optimizer that lacks a swept key, or has one value for it, fills several cells with the same lane.
    """
    dimensions = list(axes(spec))
    keys = [name.removesuffix("_index") for name, _ in dimensions]
    sizes = [
        len(values) if values else index_length(spec, key) for key, (_, values) in zip(keys, dimensions, strict=True)
    ]
    for o, optimizer in enumerate(spec.optimizers.values()):
        has = KINDS[optimizer["kind"]]
        for index in itertools.product(*map(range, sizes)):
            at = dict(zip(keys, index, strict=True))

            def number(key: str) -> Any:
                value = optimizer.get(key, 0.0) if key in OPTIMIZER else spec.number(key)  # noqa: B023
                return value[at[key]] if isinstance(value, tuple) else value  # noqa: B023

            static = Static(
                optimizer=optimizer["kind"],
                model=spec.model["name"],
                supports=spec.data["supports"],
                precision=spec.train["precision"],
                steps=number("steps"),
                n=number("n"),
                d=number("d"),
                width=number("width") or 1,
                q=number("q") or 1,
                test_size=number("test_size"),
            )
            hyper = Hyper(**{key: number(key) if key not in OPTIMIZER or key in has else 0.0 for key in Hyper._fields})
            for k, seed in enumerate(spec.seeds):
                yield (o, *index, k), Lane(static, hyper, seed, spec.record)


def index_length(spec: SweepSpec, key: str) -> int:
    """Length of a `<key>_index` dimension."""
    found = (spec.number(key, label) for label in spec.optimizers)
    return next(len(value) for value in found if isinstance(value, tuple))


def lane_bytes(static: Static) -> int:
    """Bytes of a lane while it trains: weights, W*, gradient, moments; its training set; products and activations."""
    real = 8 if static.precision == "float64" else 4
    banks = 1 if static.model == "linear" else 2
    weights = banks * static.width * static.d
    copies = {"gd": 3, "signgd": 3}.get(static.optimizer, 5)
    return real * (copies * weights + static.n * static.d + 4 * banks * static.width * static.n)


def seed_bytes(static: Static, ranks: int) -> int:
    """Bytes of a seed's draws: training and test noise by rank (an int32 and a real each), unit weights."""
    real = 8 if static.precision == "float64" else 4
    return (4 + real) * ranks * (static.n + static.test_size) + real * 2 * static.width * static.d


def test_bytes(static: Static) -> int:
    """Bytes of the block of dense test patches that exists at once."""
    return (8 if static.precision == "float64" else 4) * min(1000, static.test_size) * static.d


def make_plan(lanes: Iterable[Lane], memory: int, max_width: int) -> Plan:
    """Lanes grouped by program, in chunks of one width per group, lanes of one seed and s side by side.

    Args:
        lanes: what is to be computed; the same lane twice is computed once.
        memory: bytes that the lanes of one chunk may take while they train.
        max_width: lanes of a chunk at most.
    """
    grouped: dict[Static, list[Lane]] = {}
    for lane in {lane.digest: lane for lane in lanes}.values():
        grouped.setdefault(lane.static, []).append(lane)
    return Plan(tuple(make_group(static, members, memory, max_width) for static, members in grouped.items()))


def make_group(static: Static, lanes: Sequence[Lane], memory: int, max_width: int) -> Group:
    """One group; its chunks are as even as can be, so that little is padding."""
    lanes = sorted(lanes, key=lambda lane: (lane.seed, lane.hyper.s))
    most = min(max_width, max(MIN_WIDTH, memory // lane_bytes(static)))
    count = math.ceil(len(lanes) / most)
    width = max(MIN_WIDTH, math.ceil(len(lanes) / count))
    chunks = tuple(Chunk(tuple(lanes[i : i + width])) for i in range(0, len(lanes), width))
    return Group(
        static,
        ranks=max(int(lane.hyper.s) for lane in lanes),
        record=lanes[0].record,
        width=width,
        seed_slots=max(len(chunk.seeds) for chunk in chunks),
        chunks=chunks,
    )


def describe(plan: Plan) -> str:
    """The plan as `--dry-run` prints it."""
    lines = [
        f"{plan.lanes} lanes to train, {plan.lane_steps:.3g} lane-steps, in {len(plan.groups)} groups "
        f"(one compilation each) of {sum(len(group.chunks) for group in plan.groups)} chunks"
    ]
    for group in plan.groups:
        lane, seed = lane_bytes(group.static), seed_bytes(group.static, group.ranks)
        total = group.width * lane + group.seed_slots * seed + test_bytes(group.static)
        shapes: Mapping[str, Any] = asdict(group.static)
        named = ", ".join(f"{key}={shapes[key]}" for key in ("steps", "n", "d", "width", "q") if key in NUMBERS)
        lines.append(
            f"  {group.static.optimizer} on {group.static.model} ({named}): {group.lanes} lanes in "
            f"{len(group.chunks)} chunks of {group.width}"
        )
        lines.append(
            f"    memory: about {size(total)} = {group.width} lanes x {size(lane)} + {group.seed_slots} seeds x "
            f"{size(seed)} + {size(test_bytes(group.static))} of test patches"
        )
    return "\n".join(lines)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"


def segment_ends(steps: int, stops: Iterable[int]) -> list[int]:
    """Steps at which the host looks: every stop, and no more than `MAX_SEGMENT` steps after another; ends at T."""
    ends: list[int] = []
    last = 0
    for stop in sorted({*(int(s) for s in stops if s > 0), steps}):
        parts = math.ceil((stop - last) / MAX_SEGMENT)
        ends += [last + (stop - last) * (i + 1) // parts for i in range(parts)]
        last = stop
    return ends
