"""What a sweep has to compute: cells of the result -> lanes -> groups of one program -> padded chunks. Pure, no JAX."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from adam_vs_gd.problems.keys import KINDS, OPTIMIZER, set_of
from adam_vs_gd.problems.methods import (
    ALONE,
    BLOCK,
    SHARING,
    Means,
    lane_bytes,
    least_width,
    look_bytes,
    method_of,
    seed_bytes,
    step_work,
)
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.spec.sweep_spec import SweepSpec, axes

NUMERICS: Mapping[str, int] = {"gd": 2}
"""Version of the numbers of an optimizer, 1 by default: raised whenever the same lane would come out different."""
CHUNK_DIGITS = 32  # of a chunk's name
ABSENT = Hyper(alpha=0.0, s=0, sigma_p=0.0, sigma_0=0.0, lam=0.0, eta=0.0)
"""The numbers of a lane whose model and optimizer have none of them."""


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
        parts = [
            NUMERICS.get(self.static.optimizer, 1),
            self.static.named,
            self.hyper._asdict(),
            self.seed,
            self.record,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


Cell = tuple[tuple[int, ...], Lane]
"""(optimizer, *axes, seed) indices of a cell of the result, and the lane that fills it."""


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
        return digest_of(lane.digest for lane in self.lanes)


def digest_of(lanes: Iterable[str]) -> str:
    """The name of lanes together, made of their digests."""
    return hashlib.sha256("".join(lanes).encode()).hexdigest()[:CHUNK_DIGITS]


@dataclass(frozen=True)
class Group:
    """Chunks that share one compiled program.

    Attributes:
        static: what decides the program.
        method: how its lanes are trained, one of `methods`.
        ranks: R, the largest s among the lanes.
        record: the lanes' record.
        devices: how many devices share a chunk's lanes.
        width: lanes a chunk is padded to, the same number on each device.
        seed_slots: seeds a chunk is padded to.
        chunks: the work.
        block: places in a row that lanes of one seed and s take; some may be padding.
    """

    static: Static
    method: str
    ranks: int
    record: int
    devices: int
    width: int
    seed_slots: int
    chunks: tuple[Chunk, ...]
    block: int = 1

    @property
    def lanes(self) -> int:
        """Lanes of all chunks, padding not counted."""
        return sum(len(chunk.lanes) for chunk in self.chunks)

    @property
    def bytes(self) -> int:
        """What a chunk takes on each device, by our own count; the compiled program knows better."""
        lanes = self.width // self.devices * self.lane_bytes
        return lanes + self.seed_slots * self.seed_bytes + self.look_bytes

    @property
    def lane_bytes(self) -> int:
        """What a lane takes while it trains."""
        return lane_bytes(self.static, self.method, self.ranks)

    @property
    def seed_bytes(self) -> int:
        """What the draws of a seed take."""
        return seed_bytes(self.static, self.ranks)

    @property
    def look_bytes(self) -> int:
        """What measuring takes."""
        return look_bytes(self.static, self.method)

    @property
    def step_work(self) -> float:
        """Floating-point operations of a lane's step, about."""
        return step_work(self.static, self.method, self.ranks)


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

    @property
    def work(self) -> float:
        """Floating-point operations of all steps, about: what the time left is judged by."""
        return sum(group.lanes * group.static.steps * group.step_work for group in self.groups)


@dataclass(frozen=True)
class Limits:
    """What a machine allows a chunk.

    Attributes:
        devices: how many there are.
        memory: bytes that a chunk may take: of each of them, or of all together where they are `shared`.
        cache: bytes of lanes on a device beyond which more of them run no faster.
        width: lanes on a device at most.
        shared: whether the devices share one memory, as those of a CPU do.
        means: what there is to train lanes with.
    """

    devices: int
    memory: int
    cache: int
    width: int
    shared: bool = False
    means: Means = field(default_factory=Means)

    def each(self, devices: int) -> int:
        """Bytes that a chunk may take of each of so many devices."""
        return self.memory // devices if self.shared else self.memory


def cells(spec: SweepSpec) -> Iterator[Cell]:
    """Every cell of the result with the lane that fills it.

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
                supports=spec.data.get("supports", ""),
                precision=spec.train["precision"],
                steps=number("steps"),
                n=number("n"),
                d=number("d") or 1,
                width=number("width") or 1,
                q=number("q") or 1,
                test_size=number("test_size"),
                batch_size=number("batch_size") or 0,
                images=set_of(spec.data.get("images", "")),
                split=spec.data.get("split", ""),
                augment=spec.data.get("augment", ""),
            )
            held = {key: number(key) for key in Hyper._fields if key not in OPTIMIZER or key in has}
            hyper = ABSENT._replace(**{key: value for key, value in held.items() if value is not None})
            for k, seed in enumerate(spec.seeds):
                yield (o, *index, k), Lane(static, hyper, seed, spec.record)


def index_length(spec: SweepSpec, key: str) -> int:
    """Length of a `<key>_index` dimension."""
    found = (spec.number(key, label) for label in spec.optimizers)
    return next(len(value) for value in found if isinstance(value, tuple))


def make_plan(
    lanes: Iterable[Lane],
    limits: Limits,
    done: Collection[str] = frozenset(),
    unfinished: Iterable[Collection[str]] = (),
) -> Plan:
    """Lanes grouped by program, in chunks of one width per group, lanes of one seed and s side by side.

    The programs' shapes follow from all lanes, those that are done included, so that a sweep that goes on where it
    stopped finds its programs in the compilation cache.

    Args:
        lanes: all lanes of the sweep; the same lane twice is computed once.
        limits: what the machine allows.
        done: digests of lanes that need no more work.
        unfinished: digests of lanes that have been begun together: they stay together, and come first.
    """
    grouped: dict[tuple[Static, str], dict[str, Lane]] = {}
    for lane in lanes:
        method = method_of(lane.static, int(lane.hyper.s), limits.means)
        grouped.setdefault((lane.static, method), {})[lane.digest] = lane
    begun = [list(digests) for digests in unfinished]
    groups = (make_group(*key, members, limits, done, begun) for key, members in grouped.items())
    return Plan(tuple(group for group in groups if group.chunks))


def make_group(
    static: Static,
    method: str,
    lanes: Mapping[str, Lane],
    limits: Limits,
    done: Collection[str],
    begun: Iterable[Iterable[str]],
) -> Group:
    """One group; its chunks are as even as can be, so that little is padding."""
    everything = sorted(lanes.values(), key=sharers)
    ranks = max(int(lane.hyper.s) for lane in everything)
    block = block_of(method, everything)
    group = Group(static, method, ranks, everything[0].record, limits.devices, 0, 1, (), block)
    missing = {lane.digest: lane for lane in everything if lane.digest not in done}
    together = [[missing.pop(digest) for digest in digests if digest in missing] for digests in begun]
    needed, least = len(laid_out(everything, block)), least_width(method)
    devices = min(limits.devices, math.ceil(needed / least))
    alone = limits.shared and method in ALONE
    most = least if alone else max(least, min(limits.width, limits.cache // group.lane_bytes))
    while True:
        count = math.ceil(needed / (most * devices))
        each = blocks_up(math.ceil(needed / count / devices), group)
        whole = cut(group, [everything], devices, devices * each)
        if whole.bytes <= limits.each(devices):
            break
        if most > least:
            most = max(least, most * 3 // 4)
        elif limits.shared and devices > 1:
            devices = math.ceil(devices / 2)
        else:
            break
    pieces = [*together, list(missing.values())]
    left = sum(len(laid_out(piece, block)) for piece in pieces)
    width = whole.width
    if left <= width // 2:  # padding would cost more than another compilation
        devices = min(devices, max(1, math.ceil(left / least)))
        width = devices * blocks_up(math.ceil(left / devices), group)
    rest = cut(group, pieces, devices, width)
    return replace(rest, seed_slots=max(rest.seed_slots, whole.seed_slots))


def sharers(lane: Lane) -> tuple[int, int]:
    """What lanes that share their noise have in common."""
    return lane.seed, int(lane.hyper.s)


def block_of(method: str, lanes: Iterable[Lane]) -> int:
    """Places of a block of lanes that share their noise; 1 where hardly any do, or the method gains nothing."""
    most = max(Counter(map(sharers, lanes)).values())
    return BLOCK if method in SHARING and most > BLOCK // 2 else 1


def laid_out(lanes: Sequence[Lane], block: int) -> list[int]:
    """For each place in a row, the index of the lane in it: blocks of lanes that share, the last lane filling each."""
    if block == 1:  # lanes of any problem, which need not have an s
        return list(range(len(lanes)))
    places: list[int] = []
    for _, run in itertools.groupby(range(len(lanes)), key=lambda i: sharers(lanes[i])):
        places += run
        places += [places[-1]] * (-len(places) % block)
    return places


def blocks_up(width: int, group: Group) -> int:
    """A device's width in whole blocks, at least the least."""
    return math.ceil(max(least_width(group.method), width) / group.block) * group.block


def cut(group: Group, pieces: Iterable[Sequence[Lane]], devices: int, width: int) -> Group:
    """A group's lanes in chunks of a width, none with lanes of two pieces."""
    chunks = []
    for piece in pieces:
        places = laid_out(piece, group.block)
        for i in range(0, len(places), width):
            chunks.append(Chunk(tuple(piece[k] for k in dict.fromkeys(places[i : i + width]))))
    seed_slots = max((len(chunk.seeds) for chunk in chunks), default=1)
    return replace(group, devices=devices, width=width, seed_slots=seed_slots, chunks=tuple(chunks))


def halved(group: Group) -> Group | None:
    """The same work in chunks of half the width, on half the devices once it is least; None where that is one."""
    devices, each = group.devices, blocks_up(math.ceil(group.width / group.devices / 2), group)
    if each * devices >= group.width:
        if devices == 1:
            return None
        devices = math.ceil(devices / 2)
    return cut(group, [chunk.lanes for chunk in group.chunks], devices, each * devices)


def describe(plan: Plan, limits: Limits) -> str:
    """The plan as `--dry-run` prints it."""
    lines = [
        f"{plan.lanes} lanes to train, {plan.lane_steps:.3g} lane-steps, in {len(plan.groups)} groups "
        f"(one compilation each) of {sum(len(group.chunks) for group in plan.groups)} chunks"
    ]
    for group in plan.groups:
        each = group.width // group.devices
        shapes: Mapping[str, Any] = vars(group.static)
        of_images, of_patches = (
            ("images", "steps", "n", "width", "batch_size"),
            ("steps", "n", "d", "width", "q", "batch_size"),
        )
        keys = of_images if group.static.images else of_patches
        named = ", ".join(f"{key}={shapes[key]}" for key in keys if shapes[key])
        devices = "1 device" if group.devices == 1 else f"{group.devices} devices"
        lines.append(
            f"  {group.static.optimizer} on {group.static.model} ({named}): {group.lanes} lanes in "
            f"{len(group.chunks)} chunks of {group.width}, on {devices}, method {group.method}"
        )
        lines.append(
            f"    memory of each device: about {size(group.bytes)} = {each} lanes x "
            f"{size(group.lane_bytes)} + {group.seed_slots} seeds x {size(group.seed_bytes)} + "
            f"{size(group.look_bytes)} to measure; "
            f"{size(limits.each(group.devices))} may be used"
        )
        if group.bytes > limits.each(group.devices):
            lines.append("    does not fit: these lanes will not be computed unless the compiled program needs less")
    return "\n".join(lines)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TiB"
