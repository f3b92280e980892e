"""The seam between the engine and what it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adam_vs_gd.types import Array, Draws, Key, State


@dataclass(frozen=True)
class Problem:
    """All that the engine knows of a training: pure functions of one lane, free of files, clocks and lane axes.

    The engine gives every lane a `hyper` (any pytree of scalars) and the `draws` of its seed; it vmaps, jits, stores
    and resumes. `draws` depends on the seed alone, so that lanes of one seed share it.

    Attributes:
        steps: T, the length of a training.
        draw: key -> draws, the randomness of a seed; the same function object for problems that draw alike.
        start: (hyper, draws) -> state.
        advance: (hyper, draws, state, start, stop) -> state. Runs steps start .. stop-1; start and stop are traced and
            shared by all lanes, and where a training is cut must not matter.
        measure: (hyper, draws, state) -> {name: array}, cheap enough for every point of the `record` grid.
        test: (hyper, draws, state) -> {name: array}, for the coarser `test_record` grid; one lane at a time.
        finish: (hyper, draws, state, measured) -> {name: array}, the final values of a lane, `measured` being what
            `measure` and `test` gave at T.
        shared: gives arrays in host memory that all lanes read, whatever their seed, such as a set of images; the
            functions' `draws` are then the pair (draws of the seed, these arrays). None where there are none.
    """

    steps: int
    draw: Callable[[Key], Draws]
    start: Callable[[Any, Draws], State]
    advance: Callable[[Any, Draws, State, Array, Array], State]
    measure: Callable[[Any, Draws, State], Mapping[str, Array]]
    test: Callable[[Any, Draws, State], Mapping[str, Array]]
    finish: Callable[[Any, Draws, State, Mapping[str, Array]], Mapping[str, Array]]
    shared: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Batch:
    """A problem over lanes that stand side by side: what is compiled. `chunk.batched` makes one of any `Problem`.

    Every function takes (hyper [L], slot [L], draws [K, ...]), `slot` saying which of the K seeds a lane belongs to,
    and then what the `Problem`'s takes, with an axis of L lanes ahead; what it returns has that axis too. No lane may
    depend on another, nor on how many there are. With `shared`, draws are the pair (draws [K, ...], shared arrays).

    Attributes:
        draw: key -> the draws of one seed.
        start: -> state.
        advance: (…, state, start, stop) -> state.
        measure: (…, state) -> {name: [L, ...]}.
        test: (…, state) -> {name: [L, ...]}.
        finish: (…, state, measured) -> {name: [L, ...]}.
        shared: as a `Problem`'s.
    """

    draw: Callable[[Key], Draws]
    start: Callable[..., State]
    advance: Callable[..., State]
    measure: Callable[..., Mapping[str, Array]]
    test: Callable[..., Mapping[str, Array]]
    finish: Callable[..., Mapping[str, Array]]
    shared: Callable[[], Any] | None = None
