r"""What a kind of problem declares: all that the rest of the package asks of one. No JAX.

A `Family` is a kind of problem: the one place where its numbers, its lanes, its ways of training, its functions, its
variables and its statuses are said. Spec, plan, engine, store, results and pictures know the declaration and nothing
else. Whoever writes one hands it to a sweep by `[problem] import = "package.module:FAMILY"`. A complete one:

    RATE = Number(float, 0, math.inf, 0.1, r"$\eta$", "learning rate", above=True)

    class Shape(NamedTuple):                                # lanes that agree in it share a program
        steps: int
        precision: str = "float32"
        def identity(self, hyper):                          # what names a lane, beside its seed and record
            return ["decay", 1, self._asdict(), hyper._asdict()]

    class Numbers(NamedTuple):                              # scalars that may differ from lane to lane
        eta: float

    def problem(shape):                                     # x ← x − η·x, from a normal number
        step = lambda hyper, x: x - hyper.eta * x
        return Problem(
            steps=shape.steps,
            draw=lambda key: jax.random.normal(key),
            start=lambda hyper, x0: x0,
            advance=lambda hyper, x0, x, start, stop: jax.lax.fori_loop(start, stop, lambda t, x: step(hyper, x), x),
            measure=lambda hyper, x0, x: {"distance": abs(x)},
            test=lambda hyper, x0, x: {},
            finish=lambda hyper, x0, x, measured: {**measured, "status": jnp.where(jnp.isfinite(x), 2, 1)},
        )

    FAMILY = Family(
        name="decay",
        sections={"": Section({"steps": Number(int, 1, 10**6, 100, "$T$", "steps")}), "train": Section({"eta": RATE})},
        lane=lambda spec, label, at: (Shape(at["steps"]), Numbers(at["eta"])),
        variables=lambda spec: {"distance": Variable("distance to the minimum", "$|x|$", grid=RECORD)},
        make=lambda spec, given: Maker(spec, vmapped(problem)),   # `engine.chunk.vmapped`
    )
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from adam_vs_gd.vocabulary import (
    DIVERGED,
    DONE,
    PENDING,
    RECORD,
    TEST_RECORD,
    Dim,
    Fit,
    Followed,
    Number,
    Outcome,
    Rest,
    Section,
    Variable,
    Variants,
    Verdict,
    until_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.cells import Lane
    from adam_vs_gd.spec.sweep_spec import SweepSpec
    from adam_vs_gd.types import Array, Draws, Key, State

__all__ = [
    "DIVERGED", "DONE", "MIN_WIDTH", "PENDING", "RECORD", "TEST_RECORD", "Batch", "Cost", "Dim", "Family", "Fit",
    "Followed", "Kernel", "Machine", "Maker", "Number", "Outcome", "Problem", "Rest", "Section", "Static", "Variable",
    "Variants", "Verdict", "Way", "nothing", "until_of",
]  # fmt: skip


def nothing(*_: Any) -> Any:
    """What a family says where it has nothing to say."""
    return {}


class Machine(NamedTuple):
    """What there is to train lanes with.

    Attributes:
        path: "fast", or "reference" for the plain way.
        native: whether the family's native kernel can be used.
        platform: as JAX calls it.
        simd: what that kernel runs with, as its `Kernel` says.
        products: how an accelerator takes matrix products, one of `settings.PRODUCTS`.
    """

    path: str = "fast"
    native: bool = False
    platform: str = "cpu"
    simd: str = ""
    products: str = "float32"


class Kernel(NamedTuple):
    """Native code that a family's fast path uses.

    Attributes:
        simd: the instruction set it runs with, or a GPU's architecture; "" where it cannot be used.
        why_not: what keeps it from being used.
    """

    simd: str
    why_not: str = ""


MIN_WIDTH = 4  # lanes on a device at least where XLA steps them: it rounds narrower ones differently


class Way(NamedTuple):
    """How lanes are trained.

    Attributes:
        name: of the way.
        least: lanes on a device at least, so that no other lane changes their rounding.
        shares: whether lanes with the same `share` stand in blocks, and use something together.
        alone: whether a CPU's device trains one lane after another.
        devices: how many devices at most; 0 for all there are.
        wide: whether it is meant for an accelerator, where a lane's rounding may depend on its company and its cuts.
        products: how the matrix products of its steps are taken, one of `settings.PRODUCTS`.
    """

    name: str = "plain"
    least: int = MIN_WIDTH
    shares: bool = False
    alone: bool = False
    devices: int = 0
    wide: bool = False
    products: str = "float32"


class Cost(NamedTuple):
    """What lanes take, about; the compiled program knows better.

    Attributes:
        lane: bytes of a lane while it trains.
        seed: bytes of a seed's draws.
        look: bytes beside those while lanes are measured.
        step: floating-point operations of a lane's step.
        block: bytes of what the lanes of a block share; one alone has it too.
    """

    lane: int
    seed: int = 0
    look: int = 0
    step: float = 1.0
    block: int = 0


class Static(Protocol):
    """What decides the program that trains a lane, hashable: lanes that agree in it run together."""

    def __hash__(self) -> int:
        """It is hashable."""

    @property
    def steps(self) -> int:
        """T, the length of a training, at least 1."""

    @property
    def precision(self) -> str:
        """Of its numbers: float32 or float64."""

    def identity(self, hyper: Any) -> list[Any]:
        """All that determines the result of a lane with these numbers beside its seed and record, fit for JSON."""


class Maker(NamedTuple):
    """What a sweep's programs are made of.

    Attributes:
        spec: the sweep, with what only its functions could say filled in.
        batch: (static, extent, way, block) -> the functions of lanes that stand side by side, `block` of them sharing.
        about: what the functions read, for the results' provenance.
        refuse: (static, bytes of a device) raises a MachineError if a lane cannot be trained in so much memory; asked
            before anything is written, where `cost` says that it does not fit.
    """

    spec: SweepSpec
    batch: Callable[[Any, Any, Way, int], Batch]
    about: Mapping[str, str] = {}
    refuse: Callable[[Any, int], None] = nothing


@dataclass(frozen=True, eq=False)
class Family:
    """A kind of problem. What has a default need not be said.

    Attributes:
        name: of the family.

        sections: {table of a spec: what it may hold}; "" for numbers that stand in none. `steps` must be there.
        variants: the tables that are compared with each other; None where nothing is.
        fit: (spec as given) -> what follows from its choices.
        check: (tables, completed; mistakes) adds a line to mistakes for everything that cannot be together.
        read: (spec as given, mistakes) -> tables, completed; instead of `sections`, `fit`, `check` where keys are free.
        numbers: (spec) -> {key: number} of every number that may be an axis, in the order of the dimensions, instead
            of those of `sections` and `variants`.
        compared: (table.key, value) -> what must not differ between sweeps of one folder.
        attributes: (spec) -> what the results say in their attributes, `model` and `precision` for instance.

        lane: (spec, label of the variant, {key: its value here}) -> (`Static`, numbers: a pytree of Python scalars).
        share: (lane) -> what lanes that share something have in common, to sort by.
        extent: (lanes) -> what else their program's shapes follow from.
        way: (static, numbers, machine) -> how a lane is trained: of its own numbers, so that no other lane changes it.
        cost: (static, extent, way) -> what that takes.
        describe: (static) -> a program's name for people.
        kernel: (platform) -> its native code; None where it has none.

        make: (spec, {what a spec names: the object itself}) -> the functions.
        variables: (spec) -> {name: variable}, `status` left out; of no spec (None), all that there may be.
        dims: (spec) -> {name: dimension} of the variables' own.
        statuses: every `Outcome`.
        unmixed: keys of the provenance in which chunks of a folder must agree, {key: what they are}.

        main: the variable that is drawn first; "" for the first one of the results.
        columns: those that a table shows; () for the first few.
        followed: the trajectories that a page shows; () for the first few.
        pairs: variables whose trajectories are drawn together, of those the first that is there.
        upright: axes that are drawn upwards.
        chance: (results) -> the error rate of guessing.
        pooled: whether the examples behind an error rate are other ones for every seed.
        facts: (results) -> (term, text) of what its lanes were trained on; and
        brief: (results) -> the same in a few words.
    """

    name: str
    lane: Callable[[SweepSpec, str, Mapping[str, Any]], tuple[Any, Any]]
    variables: Callable[[SweepSpec | None], Mapping[str, Variable]]
    make: Callable[[SweepSpec, Mapping[str, Any]], Maker]

    sections: Mapping[str, Section] = field(default_factory=dict)
    variants: Variants | None = None
    fit: Callable[[Mapping[str, Any]], Fit] = lambda given: Fit()
    check: Callable[[Mapping[str, Any], list[str]], None] = nothing
    read: Callable[[Mapping[str, Any], list[str]], dict[str, Any]] | None = None
    numbers: Callable[[SweepSpec], Mapping[str, Number]] | None = None
    compared: Callable[[str, Any], Any] = lambda key, value: value
    attributes: Callable[[SweepSpec], Mapping[str, str]] = nothing

    share: Callable[[Lane], tuple[Any, ...]] = lambda lane: (lane.seed,)
    extent: Callable[[Sequence[Lane]], Hashable] = lambda lanes: None
    way: Callable[[Any, Any, Machine], Way] = lambda static, hyper, machine: Way()
    cost: Callable[[Any, Any, Way], Cost] = lambda static, extent, way: Cost(2**16)
    describe: Callable[[Any], str] = str
    kernel: Callable[[str], Kernel | None] = lambda platform: None

    dims: Callable[[SweepSpec], Mapping[str, Dim]] = nothing
    statuses: tuple[Outcome, ...] = (PENDING, DIVERGED, DONE)
    unmixed: Mapping[str, str] = field(default_factory=dict)

    main: str = ""
    columns: tuple[str, ...] = ()
    followed: tuple[Followed, ...] = ()
    pairs: tuple[tuple[str, ...], ...] = ()
    upright: tuple[str, ...] = ()
    chance: Callable[[xr.Dataset], float] = lambda results: 0.5
    pooled: bool = True
    facts: Callable[[xr.Dataset], Sequence[tuple[str, str]]] = lambda results: ()
    brief: Callable[[xr.Dataset], str] = lambda results: ""


@dataclass(frozen=True)
class Problem:
    """The functions of one lane, pure: free of files, clocks and lane axes.

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
        finish: (hyper, draws, state, measured) -> {name: array}, the final values of a lane, `status` among them, an
            integer; `measured` being what `measure` and `test` gave at T.
        shared: gives arrays in host memory that all lanes read, whatever their seed, such as a set of images; the
            functions' `draws` are then the pair (draws of the seed, these arrays). None where there are none.
        rest: how lanes are taken to rest, if they can be.
    """

    steps: int
    draw: Callable[[Key], Draws]
    start: Callable[[Any, Draws], State]
    advance: Callable[[Any, Draws, State, Array, Array], State]
    measure: Callable[[Any, Draws, State], Mapping[str, Array]]
    test: Callable[[Any, Draws, State], Mapping[str, Array]]
    finish: Callable[[Any, Draws, State, Mapping[str, Array]], Mapping[str, Array]]
    shared: Callable[[], Any] | None = None
    rest: Rest | None = None


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
        shared: as a `Problem`'s, and
        rest: too.
    """

    draw: Callable[[Key], Draws]
    start: Callable[..., State]
    advance: Callable[..., State]
    measure: Callable[..., Mapping[str, Array]]
    test: Callable[..., Mapping[str, Array]]
    finish: Callable[..., Mapping[str, Array]]
    shared: Callable[[], Any] | None = None
    rest: Rest | None = None
