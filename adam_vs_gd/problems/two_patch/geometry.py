"""How lanes are laid over a GPU: the sizes that its kernels are compiled for. Pure, no JAX.

A team of blocks trains a few lanes of one seed and s, each block a few of their filters, in quads of four: what stands
where is said in fast/cuda/shape.cuh. The layout follows from shapes and from the architecture alone, and so do results.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

THREADS = 640  # of a block at most: more would have fewer than 96 registers each, too few for steps
WARP = 32
MOST_BLOCKS, OF_CLUSTER = 16, 8  # of a team; of a cluster, on every GPU that has clusters
MOST_ROWS = 2**16 - 2  # they are named in 16 bits
AHEAD, SUMS = 64, 3  # as fast/cuda/team.cuh has them
LANE_BYTES = 88  # of a `Lane` there
CONFLICTS = {8: 1.0, 4: 1.1, 2: 1.3, 1: 1.6}  # reads of shared memory for one, by quads that a warp reads of a row
LISTS_TIME = 0.6  # cycles that an entry takes to come from the second-level cache, about
STEP_TIME = 3000  # cycles of a step beside its products, about


class Architecture(NamedTuple):
    """What of a GPU the layout depends on.

    Attributes:
        name: as compilers call it, "sm_90".
        shared: bytes of shared memory that a block may take.
        clusters: whether blocks can be launched as clusters, which have a barrier.
    """

    name: str
    shared: int
    clusters: bool


SHARED = {"80": 163, "86": 99, "87": 163, "89": 99, "90": 227, "100": 227, "103": 227, "120": 99, "121": 99}
"""KiB of shared memory that a block may take, by compute capability (CUDA C++ Programming Guide, its table of them)."""


def architecture(capability: str) -> Architecture | None:
    """That of a compute capability ("9.0"); None for one that is older than the kernels, or that they do not know."""
    number = capability.replace(".", "")
    if number not in SHARED:
        return None
    return Architecture(f"sm_{number}", 1024 * SHARED[number], int(number) >= 90)


def named(name: str) -> Architecture | None:
    """That of a name ("sm_90"); None where there is none."""
    return architecture(name.removeprefix("sm_")) if name else None


class Sizes(NamedTuple):
    """What of lanes the layout depends on.

    Attributes:
        n, d: examples, coordinates.
        ranks: R, of their draws.
        rows: coordinates that examples may touch.
        filters: C, of a lane.
        moments: arrays of a lane's weights beside them: none, one, or two.
        sharers: lanes in a row that have a seed and s in common.
        trained: whether they are trained as coordinates, and not measured only.
    """

    n: int
    d: int
    ranks: int
    rows: int
    filters: int
    moments: int
    sharers: int = 1
    trained: bool = True


@dataclass(frozen=True)
class Geometry:
    """A layout.

    Attributes:
        of: the sizes of the lanes.
        on: what GPU.
        partners: lanes of a team.
        blocks: of a team.
        quads: of four filters, of a block.
        threads: of a block.
        tile: quads of a thread, in the product with a Gram matrix; 0 for weights that stand as coordinates.
    """

    of: Sizes
    on: Architecture
    partners: int
    blocks: int
    quads: int
    threads: int
    tile: int = 0

    @property
    def cluster(self) -> bool:
        """Whether a team is a cluster; blocks that are none wait for each other in memory."""
        return self.on.clusters and 1 < self.blocks <= OF_CLUSTER

    @property
    def across(self) -> int:
        """Quads of a row that a warp reads at once: all of a block's, but where these may be any number."""
        return 4 if self.tile else self.quads

    @property
    def lane_quads(self) -> int:
        """Quads of a lane."""
        return quads_of(self.of.filters)

    @property
    def team_quads(self) -> int:
        """Quads of a team, idle ones included."""
        return self.blocks * self.quads

    @property
    def locals(self) -> int:
        """Lanes that a block has filters of, at most."""
        return min(self.partners, (self.quads + self.lane_quads - 2) // self.lane_quads + 1)

    @property
    def warps(self) -> int:
        """Warps of a block."""
        return self.threads // WARP

    @property
    def common(self) -> int:
        """Bytes of `Common`."""
        n, q, w, p = self.of.n, self.quads, self.warps, self.locals
        whole = 16 * (n + 1) * q + 16 * q + 16 * w * q + 8 * w * q + 4 * SUMS * w * q + 4 * p * (n + 2)
        return up(up(whole, 8) + 8 * w + 8 * p * AHEAD + LANE_BYTES * p, 16)

    @property
    def shared(self) -> int:
        """Bytes of shared memory of a block that trains."""
        n, q, p, rows = self.of.n, self.quads, self.locals, self.of.rows
        if self.tile:
            beside = 8 * SUMS * q + 4 * up(n, WARP) // WARP * q + 4 * 3 * p
            return up(self.common + 16 * (2 * n * q + 2 * q) + beside, 16)
        return self.common + 16 * ((rows + 1) * q + self.of.moments * rows * q + 1)

    @property
    def shared_seen(self) -> int:
        """Bytes of shared memory of a block that measures."""
        q, p = self.quads, self.locals
        return up(self.common + 16 * (self.of.rows + 1) * q + 8 * SUMS * q + 4 * p * (self.of.n + 2), 16)

    @property
    def shared_lists(self) -> int:
        """Bytes of shared memory of a block that makes lists."""
        return 4 * (self.warps + self.of.rows)

    @property
    def shared_idle(self) -> int:
        """Bytes of shared memory of a block that trains idle coordinates."""
        return LANE_BYTES + 8 * AHEAD + 8 * self.warps

    @property
    def shared_weights(self) -> int:
        """Bytes of shared memory of a block that makes weights of coefficients."""
        return 16 * (self.of.n + 1) * self.lane_quads

    @property
    def tests_are_shared(self) -> bool:
        """Whether all weights of a lane find room in shared memory while it is tested."""
        return self.tested(self.of.d * self.lane_quads) <= self.on.shared

    @property
    def shared_tested(self) -> int:
        """Bytes of shared memory of a block that tests."""
        return self.tested(self.of.d * self.lane_quads if self.tests_are_shared else 1)

    def tested(self, quads: int) -> int:
        """Bytes of `Tested`, with so many quads of weights."""
        return up(8 * self.warps + 4 * self.threads + 8, 16) + 16 * quads

    @property
    def list_words(self) -> int:
        """Words of 4 bytes of a group's lists, as `Lists` counts them."""
        n, d, ranks, rows = self.of.n, self.of.d, self.of.ranks, self.of.rows
        members = WARP // self.across
        groups, examples, masks = -(-rows // members), -(-n // members), -(-n // 32)
        chunks = (n * ranks // members + 2 * n) // 4 + groups + 1
        beside = 4 + up(d, 4) + up(rows, 4) + up(groups + 1, 4) + up(groups, 4) + up(rows, 4) + up(rows * masks, 4)
        of_examples = examples * -(-ranks // 4) * members
        return beside + up(chunks * members * 2, 4) + chunks * members * 4 + up(of_examples * 2, 4) + of_examples * 4

    @property
    def fits(self) -> bool:
        """Whether its blocks find room."""
        trains = self.shared if self.of.trained else self.shared_seen
        most = max(trains, self.shared_lists, self.shared_weights if self.tile else self.shared_seen)
        return most <= self.on.shared and max(self.of.rows, self.of.n) <= MOST_ROWS and self.lane_quads <= self.threads


def up(x: int, by: int) -> int:
    """The next multiple of `by`."""
    return -(-x // by) * by


def quads_of(filters: int) -> int:
    """Quads that hold so many filters."""
    return -(-filters // 4)


def teams(of: Sizes, quads: int) -> Iterator[tuple[int, int]]:
    """(Partners, blocks) of teams whose blocks have so many quads."""
    for partners in range(1, of.sharers + 1):
        blocks = math.ceil(partners * quads_of(of.filters) / quads)
        if of.sharers % partners == 0 and blocks <= MOST_BLOCKS:
            yield partners, blocks


@functools.lru_cache(maxsize=1024)
def of_coordinates(of: Sizes, on: Architecture) -> Geometry | None:
    """The fastest layout, by a rough count, for weights that stand as coordinates; None where a lane does not fit."""
    best: tuple[float, Geometry] | None = None
    for quads, conflicts in CONFLICTS.items():
        for partners, blocks in teams(of, quads):
            found = Geometry(of, on, partners, blocks, quads, threads_for(of, quads))
            wait = STEP_TIME if found.cluster or blocks == 1 else 2 * STEP_TIME
            cycles = 2 * of.n * of.ranks * max(quads / 4 * conflicts, LISTS_TIME) + 1.5 * of.rows * quads + wait
            speed = partners / (blocks * cycles)
            if found.fits and (best is None or speed > best[0]):
                best = speed, found
    return best[1] if best else None


def threads_for(of: Sizes, quads: int) -> int:
    """Threads among which groups of examples, and of rows, divide with little left over."""
    members = WARP // quads
    examples, rows = math.ceil(of.n / members), math.ceil(of.rows / members)

    def time(warps: int) -> float:
        each = of.n * of.ranks / of.rows
        return math.ceil(examples / warps) * of.ranks + math.ceil(rows / warps) * (each + 4)

    return WARP * min(range(4, THREADS // WARP + 1), key=lambda warps: (time(warps), warps))


@functools.lru_cache(maxsize=1024)
def in_span(of: Sizes, on: Architecture) -> Geometry | None:
    """The layout for coefficients in the span of the data; None where a lane does not fit.

    Whole lanes to a block where they fit, as many as do; the filters of one over several blocks where they do not.
    """
    quads = quads_of(of.filters)
    shapes = [(partners, 1) for partners in (4, 2, 1) if of.sharers % partners == 0]
    shapes += [(1, blocks) for blocks in range(2, MOST_BLOCKS + 1)]
    for partners, blocks in shapes:
        each = math.ceil(partners * quads / blocks)
        tile = max(k for k in range(1, 11) if each % k == 0)
        threads = min(THREADS, up(of.n, WARP) * (each // tile))
        found = Geometry(of, on, partners, blocks, each, threads, tile)
        if found.fits:
            return found
    return None
