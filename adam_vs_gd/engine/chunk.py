"""Lanes of a chunk together: the one place that vmaps, spreads over devices, and jits."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from adam_vs_gd.problem import Batch, Problem, Way
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.surroundings import CPU_OPTIONS, numerics

if TYPE_CHECKING:
    from adam_vs_gd.types import Draws, Key

LANES, SHARED = P("lanes"), P()
FUNCTIONS = ("start", "advance", "measure", "test", "finish")
"""The names of a problem's functions over a chunk."""


class Programs(NamedTuple):
    """A problem's functions over a chunk, compiled for one width and one set of devices.

    Lanes are spread over the devices, each of which runs the same program on its own and talks to no other; draws are
    on all of them. `slot` [L] says which of the K seeds a lane belongs to.

    Attributes:
        start: (hyper [L], slot, draws [K, ...]) -> state [L, ...].
        advance: (hyper, slot, draws, state, start, stop) -> state; the state handed in is given up (donated).
        measure: (hyper, slot, draws, state) -> {name: [L, ...]}.
        test: (hyper, slot, draws, state) -> {name: [L, ...]}, lane after lane: it fills the machine with one lane.
        finish: (hyper, slot, draws, state, measured) -> {name: [L, ...]}, lane after lane.
        state: shapes of a state, and
        measured: of what `finish` takes.
        gives: {program: {name: shape}} of what `measure`, `test` and `finish` return, [L, ...].
        bytes: what the largest of them holds on a device while it runs, arguments included; 0 where XLA does not say.
    """

    start: Callable[..., Any]
    advance: Callable[..., Any]
    measure: Callable[..., Any]
    test: Callable[..., Any]
    finish: Callable[..., Any]
    state: Any
    measured: Mapping[str, Any]
    gives: Mapping[str, Mapping[str, Any]]
    bytes: int


def sharding(devices: Sequence[jax.Device], spec: P) -> NamedSharding:
    """Over the devices: `LANES` for what has a lane axis, `SHARED` for what is the same for all lanes."""
    return NamedSharding(Mesh(np.array(devices), ("lanes",)), spec)


def shapes(tree: Any, where: NamedSharding, ahead: tuple[int, ...] = ()) -> Any:
    """The shapes of a tree's arrays, behind the axes `ahead`, placed there."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct((*ahead, *a.shape), a.dtype, sharding=where), tree)


def spread(
    f: Callable[..., Any], devices: Sequence[jax.Device], parts: Sequence[P], donate: tuple[int, ...] = ()
) -> Any:
    """`f` jitted on every device's own part of its arguments, and of what it returns."""
    mesh = sharding(devices, LANES).mesh
    mapped = jax.shard_map(f, mesh=mesh, in_specs=tuple(parts), out_specs=LANES, check_vma=False)
    return jax.jit(mapped, donate_argnums=donate, compiler_options=compiler_options(devices[0].platform))


def side_by_side(f: Callable[..., Any], lane_draws: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A function of one lane, of all lanes at once; `lane_draws` (slot, draws [K, ...]) are those of one."""

    def chunk(hyper: Any, slot: Any, draws: Any, *rest: Any) -> Any:
        return jax.vmap(lambda hyper, slot, *rest: f(hyper, lane_draws(slot, draws), *rest))(hyper, slot, *rest)

    return chunk


def one_by_one(
    f: Callable[..., Any], lane_draws: Callable[[Any, Any], Any], together: int | None = None
) -> Callable[..., Any]:
    """A function of one lane, of one lane after another: where one fills the machine, or all would not fit.

    Args:
        f: (hyper, its draws, …) of a lane.
        lane_draws: (slot, draws [K, ...]) -> the draws of a lane.
        together: lanes that are taken side by side nevertheless, and not one.
    """

    def chunk(hyper: Any, slot: Any, draws: Any, *rest: Any) -> Any:
        one = lambda lane: f(lane[0], lane_draws(lane[1], draws), *lane[2])  # noqa: E731
        return jax.lax.map(one, (hyper, slot, rest), batch_size=together)

    return chunk


def draws_of(slot: Any, draws: Any) -> Any:
    """The draws of a lane's seed."""
    return jax.tree.map(lambda a: a[slot], draws)


def draws_beside_shared(slot: Any, draws: tuple[Any, Any]) -> tuple[Any, Any]:
    """The draws of a lane's seed, and what all lanes share."""
    of_seeds, shared = draws
    return draws_of(slot, of_seeds), shared


def batched(problem: Problem, lane_draws: Callable[[Any, Any], Any] | None = None, *, together: bool = True) -> Batch:
    """The functions of a problem, of all lanes: those of a step together, those of the test set one by one.

    Args:
        problem: of one lane.
        together: whether lanes are stepped side by side, and not one after another.
        lane_draws: (slot, draws [K, ...]) -> the draws of a lane, where they are made in another way than by indexing.
    """
    if lane_draws is None:
        lane_draws = draws_of if problem.shared is None else draws_beside_shared

    beside = side_by_side if together else one_by_one

    def advance(hyper: Any, slot: Any, draws: Any, state: Any, start: Any, stop: Any) -> Any:
        run = lambda hyper, draws, state: problem.advance(hyper, draws, state, start, stop)  # noqa: E731
        return beside(run, lane_draws)(hyper, slot, draws, state)

    return Batch(
        draw=problem.draw,
        start=beside(problem.start, lane_draws),
        advance=advance,
        measure=beside(problem.measure, lane_draws),
        test=one_by_one(problem.test, lane_draws),
        finish=one_by_one(problem.finish, lane_draws),
        shared=problem.shared,
        rest=problem.rest,
    )


def vmapped(problem: Callable[[Any], Problem]) -> Callable[[Any, Any, Way, int], Batch]:
    """What `Maker.batch` asks for, of a function static -> `Problem`: lanes side by side, whatever the way."""
    return lambda static, extent, way, block: batched(problem(static))


@functools.lru_cache(maxsize=64)
def compile_programs(
    batch: Batch,
    tree: Any,
    kinds: tuple[np.dtype, ...],
    width: int,
    seed_slots: int,
    devices: tuple[jax.Device, ...],
    names: tuple[str, ...] = FUNCTIONS,
) -> Programs:
    """The programs of a problem.

    Args:
        batch: its functions over lanes.
        tree: the structure of a lane's numbers, and
        kinds: their dtypes.
        width: L, a multiple of the devices.
        seed_slots: K.
        devices: where the lanes are spread, in equal parts.
        names: which of them are wanted; the others say so when they are called.
    """
    lanes, shared = sharding(devices, LANES), sharding(devices, SHARED)

    def trace(f: Callable[..., Any], *rest: Any, parts: Sequence[P] = (), donate: tuple[int, ...] = ()) -> Any:
        parts = parts or [LANES] * len(rest)
        return spread(f, devices, (LANES, LANES, SHARED, *parts), donate).trace(*inputs, *rest)

    hyper = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct((width,), kind, sharding=lanes) for kind in kinds])
    slot = jax.ShapeDtypeStruct((width,), np.int32, sharding=lanes)
    draws: Any = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((seed_slots, *a.shape[1:]), a.dtype, sharding=shared),
        compile_draw(batch.draw, tuple(devices)).out_info,
    )
    if batch.shared is not None:
        draws = draws, shapes(batch.shared(), shared)
    inputs = (hyper, slot, draws)
    step = jax.ShapeDtypeStruct((), np.int32, sharding=shared)

    start = trace(batch.start)
    state = shapes(start.out_info, lanes)
    measure, test = (trace(f, state) for f in (batch.measure, batch.test))
    measured = shapes({**measure.out_info, **test.out_info, **at_end(batch, width)}, lanes)
    trace_of = {
        "start": lambda: start,
        "advance": lambda: trace(batch.advance, state, step, step, parts=(LANES, SHARED, SHARED), donate=(3,)),
        "measure": lambda: measure,
        "test": lambda: test,
        "finish": lambda: trace(batch.finish, state, measured),
    }
    traced = {name: trace_of[name]() for name in names}
    lowered = [program.lower() for program in traced.values()]
    with ThreadPoolExecutor() as pool:  # XLA compiles outside of Python's lock
        compiled = dict(zip(traced, pool.map(lambda program: program.compile(), lowered), strict=True))
    given = {"measure": measure.out_info, "test": test.out_info}
    if "finish" in traced:
        given["finish"] = dict(traced["finish"].out_info)
    most = max(program_bytes(program) for program in compiled.values())
    wanting = {name: functools.partial(not_compiled, name) for name in FUNCTIONS if name not in compiled}
    return Programs(**compiled, **wanting, state=state, measured=measured, gives=given, bytes=most)


def at_end(batch: Batch, width: int) -> dict[str, Any]:
    """Shapes of what `finish` finds in `measured` of lanes that are taken to rest."""
    if batch.rest is None:
        return {}
    real = jnp.result_type(float)
    kinds = {"step": jnp.dtype("int32"), "rested": jnp.dtype(bool), **dict.fromkeys(batch.rest.told, real)}
    return {name: jax.ShapeDtypeStruct((width,), kind) for name, kind in kinds.items()}


def not_compiled(name: str, *_: Any) -> Any:
    """What stands for a program that was not asked for.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError(f"the program {name} was not asked for")


def program_bytes(program: Any) -> int:
    """Bytes on a device while a compiled program runs: arguments, results apart from them, and what is between."""
    memory = program.memory_analysis()
    if memory is None:
        return 0
    results = memory.output_size_in_bytes - memory.alias_size_in_bytes
    return memory.argument_size_in_bytes + results + memory.temp_size_in_bytes


def compile_draw(draw: Callable[[Key], Draws], devices: tuple[jax.Device, ...]) -> Any:
    """Seeds [devices] -> draws [devices, ...]: each device draws one, so that no draw depends on how many there are."""
    return compile_draw_of(jnp.result_type(float), draw, devices)


@functools.lru_cache(maxsize=16)
def compile_draw_of(dtype: np.dtype, draw: Callable[[Key], Draws], devices: tuple[jax.Device, ...]) -> Any:
    """`compile_draw`, kept for each dtype of floats: one function draws in whichever is set."""

    def one(seed: Any) -> Any:
        return jax.tree.map(lambda a: a[None], draw(seed_key(seed[0])))

    seeds = jax.ShapeDtypeStruct((len(devices),), np.uint32, sharding=sharding(devices, LANES))
    return spread(one, devices, [LANES]).trace(seeds).lower().compile()


class SeedDraws:
    """The draws of the seeds in use, so that chunks and groups that share a seed draw it once."""

    def __init__(self) -> None:
        self.kept: dict[tuple[np.dtype, Callable[[Key], Draws], int], Callable[[], Draws]] = {}

    def begin(self, draw: Callable[[Key], Draws], seeds: Sequence[int], devices: tuple[jax.Device, ...]) -> None:
        """Start drawing the seeds, and go on without waiting; only these are kept."""
        names = {seed: self.name(draw, seed) for seed in seeds}
        self.kept = {name: self.kept[name] for name in names.values() if name in self.kept}
        missing = [seed for seed, name in names.items() if name not in self.kept]
        for i in range(0, len(missing), len(devices)):
            batch = missing[i : i + len(devices)]
            full = np.array([*batch, *[batch[-1]] * (len(devices) - len(batch))], np.uint32)
            drawn = compile_draw(draw, devices)(jax.device_put(full, sharding(devices, LANES)))
            self.kept |= {names[seed]: functools.partial(part, drawn, k) for k, seed in enumerate(batch)}

    def stack(self, draw: Callable[[Key], Draws], seeds: Sequence[int], devices: tuple[jax.Device, ...]) -> Draws:
        """Draws [K, ...] of the seeds, in their order, on every device; only these are kept."""
        self.begin(draw, seeds, devices)
        stacked = jax.tree.map(lambda *a: np.stack(a), *(self.kept[self.name(draw, seed)]() for seed in seeds))
        return jax.device_put(stacked, sharding(devices, SHARED))

    @staticmethod
    def name(draw: Callable[[Key], Draws], seed: int) -> tuple[np.dtype, Callable[[Key], Draws], int]:
        """What a draw is kept under: a function draws in the dtype of floats that is set."""
        return jnp.result_type(float), draw, seed


def part(drawn: Draws, k: int) -> Draws:
    """The k-th of draws [devices, ...], in host memory."""
    return jax.tree.map(lambda a: np.asarray(a)[k], drawn)


@functools.cache
def compiler_options(platform: str) -> dict[str, str | int | bool]:
    """The flags of XLA that every program for a platform is compiled with, as far as this XLA knows them."""
    if platform != "cpu":
        return {}
    if is_known(CPU_OPTIONS):  # one program, where each would take one
        return dict(CPU_OPTIONS)
    return {name: value for name, value in CPU_OPTIONS.items() if is_known({name: value})}


def is_known(options: Mapping[str, str | int | bool]) -> bool:
    """Whether XLA takes these flags."""
    try:
        with numerics("float32"):
            jax.jit(lambda x: x, compiler_options=dict(options)).trace(np.float32(0)).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
