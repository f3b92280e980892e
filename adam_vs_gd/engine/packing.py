"""Lanes into chunks: how wide, on how many devices, who stands beside whom. Pure, no JAX."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adam_vs_gd.engine.plan import Chunk, Group, Limits, Plan
from adam_vs_gd.problem import Family, Static, Way
from adam_vs_gd.spec.cells import Lane

NARROWER = 4  # a chunk's width against the next that its lanes are packed in, once so many have left
BLOCK = 4  # places of a block; fixed, because the width of a matrix product may change its rounding
WIDEST = 64  # places of a block at most where that does not matter: a matrix product of wide ones is faster

LEAST_SECONDS = 5.0  # of a chunk among workers, about: of these it takes some hundredths to hand it out, tenths to draw
DRIVER_SECONDS = 0.002  # that it is longer for every worker, as one driver looks after all
EACH = 30  # chunks of a group for each worker: so little is lost while the last ones run

Share = Callable[[Lane], tuple[Any, ...]]
"""What lanes that share something have in common."""


def make_plan(
    family: Family,
    lanes: Iterable[Lane],
    limits: Limits,
    done: Collection[str] = frozenset(),
    unfinished: Iterable[Collection[str]] = (),
) -> Plan:
    """Lanes grouped by program, in chunks of one width per group, lanes that share something side by side.

    The programs' shapes follow from all lanes, those that are done included, so that a sweep that goes on where it
    stopped finds its programs in the compilation cache.

    Args:
        family: of the lanes.
        lanes: all lanes of the sweep; the same lane twice is computed once.
        limits: what the machine allows.
        done: digests of lanes that need no more work.
        unfinished: digests of lanes that have been begun together: they stay together, and come first.
    """
    grouped: dict[tuple[Static, Way], dict[str, Lane]] = {}
    for lane in lanes:
        way = family.way(lane.static, lane.hyper, limits.machine)
        grouped.setdefault((lane.static, way), {})[lane.digest] = lane
    begun = [list(digests) for digests in unfinished]
    groups = [make_group(family, *key, members, limits, done, begun) for key, members in grouped.items()]
    if limits.few and limits.shared:
        groups = [part for group in groups for part in narrowed(group, {frozenset(digests) for digests in begun})]
    return Plan(tuple(group for group in groups if group.chunks))


def make_group(
    family: Family,
    static: Static,
    way: Way,
    lanes: Mapping[str, Lane],
    limits: Limits,
    done: Collection[str],
    begun: Iterable[Iterable[str]],
) -> Group:
    """One group; its chunks are as even as can be, so that little is padding."""
    everything = sorted(lanes.values(), key=family.share)
    extent, record = family.extent(everything), everything[0].record
    group = Group(family, static, extent, way, record, limits.devices, 0, 1, ())
    missing = {lane.digest: lane for lane in everything if lane.digest not in done}
    together = [[missing.pop(digest) for digest in digests if digest in missing] for digests in begun]
    pieces = [*together, list(missing.values())]
    blocks = blocks_of(way, everything, family.share)
    candidates = [packed(replace(group, block=block), everything, pieces, limits) for block in blocks]
    return min(candidates, key=lambda it: (it.bytes > limits.each(it.devices), len(it.chunks) * it.width))


def packed(group: Group, everything: Sequence[Lane], pieces: Sequence[Sequence[Lane]], limits: Limits) -> Group:
    """The pieces of a group in chunks, of which all of its lanes decide the shape."""
    whole = whole_group(group, everything, limits)
    left = sum(len(laid_out(piece, group.block, group.family.share)) for piece in pieces)
    devices, width = whole.devices, whole.width
    if left <= width // 2:  # padding would cost more than another compilation
        devices = min(devices, max(1, math.ceil(left / group.way.least)))
        width = devices * blocks_up(math.ceil(left / devices), group, few=limits.few > 0)
    rest = cut(group, pieces, devices, width)
    whole_slots = 0 if limits.few else whole.seed_slots
    return replace(rest, seed_slots=max(rest.seed_slots, whole_slots, min(limits.few, rest.width)))


def narrowed(group: Group, begun: Collection[frozenset[str]]) -> Iterator[Group]:
    """A group whose chunks are full, and others for the lanes that are left over, in chunks of fewer places.

    Where devices share a CPU a place that is empty costs as much as one that is not. Widths stay powers of two times
    the least, of which there are few. What has been begun together stays together.
    """
    left, sizes = list[Chunk](), dict[tuple[int, int], list[Sequence[Lane]]]()
    for chunk in group.chunks:
        whole = len(chunk.lanes) * 4 >= group.width * 3 or frozenset(lane.digest for lane in chunk.lanes) in begun
        left += [chunk] if whole else []
        lanes = () if whole else chunk.lanes
        while lanes:
            devices = min(group.devices, math.ceil(len(lanes) / group.way.least))
            width = devices * blocks_up(math.ceil(len(lanes) / devices), group, few=True)
            if len(lanes) * 4 < width * 3 and width > devices * blocks_up(1, group):
                width //= 2
            sizes.setdefault((devices, width), []).append(lanes[:width])
            lanes = lanes[width:]
    yield replace(group, chunks=tuple(left))
    for (devices, width), pieces in sizes.items():
        part = cut(group, pieces, devices, width)
        yield replace(part, seed_slots=max(part.seed_slots, min(group.seed_slots, width)))


def whole_group(group: Group, lanes: Sequence[Lane], limits: Limits) -> Group:
    """All of a group's lanes in as few and as even chunks as fit."""
    way, needed = group.way, len(laid_out(lanes, group.block, group.family.share))
    devices = min(limits.devices, way.devices or limits.devices, math.ceil(needed / way.least))
    alone = limits.shared and way.alone
    most = way.least if alone else max(way.least, min(limits.width, limits.cache // max(1, group.lane_bytes)))
    while True:
        count = max(math.ceil(needed / (most * devices)), shared_out(group, lanes, limits))
        each = blocks_up(math.ceil(needed / count / devices), group, few=limits.few > 0)
        whole = cut(group, [lanes], devices, devices * each)
        if whole.bytes <= limits.each(devices):
            return whole
        if most > way.least:
            most = max(way.least, most * 3 // 4)
        elif limits.shared and devices > 1:
            devices = math.ceil(devices / 2)
        else:
            return whole


def shared_out(group: Group, lanes: Sequence[Lane], limits: Limits) -> int:
    """Chunks for all workers to have some, each long enough that handing it out takes little of its time.

    An accelerator takes about as long for a few lanes as for many: there no worker has more than one chunk of a group.
    """
    if limits.workers == 1:
        return 1
    most, speed = (EACH, 2e10 * limits.devices) if limits.shared else (1, 1e12)
    least = speed * (LEAST_SECONDS + DRIVER_SECONDS * limits.workers)
    work = len(lanes) * group.static.steps * group.cost.step
    return max(1, min(most * limits.workers, int(work / least)))


def blocks_of(way: Way, lanes: Iterable[Lane], share: Share) -> list[int]:
    """What the places of a block of lanes that share something may be; 1 where hardly any do, or the way gains nothing.

    Those of a wide way are the widest first: all lanes that share something, or equal parts of them.
    """
    most = max(Counter(map(share, lanes)).values())
    if not way.shares or most <= BLOCK // 2:
        return [1]
    if not way.wide:
        return [BLOCK]
    wide = [math.ceil(most / (math.ceil(most / WIDEST) << k)) for k in range(WIDEST.bit_length())]
    return [block for block in wide if block >= min(BLOCK, most)]


def laid_out(lanes: Sequence[Lane], block: int, share: Share) -> list[int]:
    """For each place in a row, the index of the lane in it: blocks of lanes that share, the last lane filling each."""
    if block == 1:
        return list(range(len(lanes)))
    places: list[int] = []
    for _, run in itertools.groupby(range(len(lanes)), key=lambda i: share(lanes[i])):
        places += run
        places += [places[-1]] * (-len(places) % block)
    return places


def blocks_up(width: int, group: Group, *, few: bool = False) -> int:
    """A device's width in whole blocks, at least the least; that times a power of two, where widths are to be few."""
    least = math.ceil(group.way.least / group.block) * group.block
    if few:
        return least << max(0, math.ceil(width / least) - 1).bit_length()
    return math.ceil(max(group.way.least, width) / group.block) * group.block


def cut(group: Group, pieces: Iterable[Sequence[Lane]], devices: int, width: int) -> Group:
    """A group's lanes in chunks of a width, none with lanes of two pieces."""
    chunks = []
    for piece in pieces:
        places = laid_out(piece, group.block, group.family.share)
        for i in range(0, len(places), width):
            chunks.append(Chunk(tuple(piece[k] for k in dict.fromkeys(places[i : i + width]))))
    seed_slots = max((len(chunk.seeds) for chunk in chunks), default=1)
    return replace(group, devices=devices, width=width, seed_slots=seed_slots, chunks=tuple(chunks))


def widths(group: Group) -> list[int]:
    """The few widths that lanes of a group's chunk are packed in once others have left, ascending to its own."""
    found = [each := math.ceil(group.width / group.devices)]
    while (each := blocks_up(math.ceil(each / NARROWER), group)) < found[-1]:
        found.append(each)
    return [group.devices * each for each in reversed(found)]


def halved(group: Group) -> Group | None:
    """The same work in chunks of half the width, on half the devices once it is least; None where that is one."""
    devices, each = group.devices, blocks_up(math.ceil(group.width / group.devices / 2), group)
    if each * devices >= group.width:
        if group.way.wide and group.block > BLOCK:
            return halved(replace(group, block=math.ceil(group.block / 2)))
        if devices == 1:
            return None
        devices = math.ceil(devices / 2)
    return cut(group, [chunk.lanes for chunk in group.chunks], devices, each * devices)


def places_of(chunk: Chunk, group: Group) -> list[int]:
    """For each of the group's places, the index of the chunk's lane in it; the last lane fills what is left."""
    places = laid_out(chunk.lanes, group.block, group.family.share)
    return places + [len(chunk.lanes) - 1] * (group.width - len(places))
