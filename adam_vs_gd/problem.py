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

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import xarray as xr

    from adam_vs_gd.spec.cells import Lane
    from adam_vs_gd.spec.sweep_spec import SweepSpec
    from adam_vs_gd.types import Array, Draws, Key, State

RECORD, TEST_RECORD = "record", "test_record"
"""The grids of a trajectory: of `record` + 1 points, and of about ten of those."""


def nothing(*_: Any) -> Any:
    """What a family says where it has nothing to say."""
    return {}


@dataclass(frozen=True)
class Number:
    """A number of a spec: what it may be, and how it is written on an axis.

    Attributes:
        kind: int or float.
        low: smallest value allowed, or the bound itself where `above` is set.
        high: largest value allowed, or the bound itself where `below` is set.
        default: its value where it is left out; None where that depends on others, or there need not be any.
        symbol: in matplotlib's mathtext.
        long_name: in words.
        above: whether `low` itself is excluded.
        below: whether `high` itself is excluded.
        even: whether it must be even.
    """

    kind: type
    low: float
    high: float
    default: float | None
    symbol: str
    long_name: str
    above: bool = False
    below: bool = False
    even: bool = False

    @property
    def allowed(self) -> str:
        """The values allowed, in words."""
        what = ("an even integer" if self.even else "an integer") if self.kind is int else "a number"
        low = f" {'>' if self.above else '>='} {self.low:g}" if math.isfinite(self.low) else ""
        high = f"{'<' if self.below else '<='} {self.high:g}" if math.isfinite(self.high) else ""
        range_ = low + (f" and {high}" if low and high else f" {high}" if high else "")
        return f"{what}{range_}" if self.kind is int else f"a finite number{range_}"

    def holds(self, value: float) -> bool:
        """Whether a number of the right type is in range."""
        return (
            abs(value) < math.inf
            and (value > self.low if self.above else value >= self.low)
            and (value < self.high if self.below else value <= self.high)
            and not (self.even and value % 2)
        )


@dataclass(frozen=True)
class Section:
    """A table of a spec.

    Attributes:
        numbers: {key: what it may be}.
        choices: {key: the names that it may be, the default first}.
        placed: those of the choices in which `name:place` says where the named thing is.
    """

    numbers: Mapping[str, Number] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    placed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Variants:
    """Tables of a spec that are compared with each other, `[section.LABEL]`: the dimension `optimizer`.

    Attributes:
        section: what they stand under.
        numbers: {key: what it may be} of all kinds.
        kinds: {kind: {key that it has: its default}}; a label is a kind unless the key `kind` names one.
        example: one of the kinds, for messages.
    """

    section: str
    numbers: Mapping[str, Number]
    kinds: Mapping[str, Mapping[str, float]]
    example: str


class Fit(NamedTuple):
    """What follows from a spec's choices.

    Attributes:
        who: what has been chosen, for messages.
        absent: keys that mean nothing to it.
        defaults: {key: value} other than those of its numbers; or what makes a value of the section as it was given.
        record: trajectories are kept at so many steps, if `record` is left out.
    """

    who: str = ""
    absent: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = {}
    record: int = 100


class Variable(NamedTuple):
    """A variable of the results.

    Attributes:
        long_name: in words.
        symbol: in matplotlib's mathtext.
        dims: dimensions after those of the cells.
        grid: of its trajectory, RECORD or TEST_RECORD; "" where it has none.
        rate: of an error rate in [0, 1], the number that says how many examples are behind it; "" of what is none.
        units: "1" where it has none.
        none: a value that says that there is none.
        dtype: in results; that of the lanes' precision by default.
    """

    long_name: str
    symbol: str = ""
    dims: tuple[str, ...] = ()
    grid: str = ""
    rate: str = ""
    units: str = "1"
    none: float | None = None
    dtype: str = ""


class Followed(NamedTuple):
    """Variables whose trajectories a page shows in one row.

    Attributes:
        title: of the row.
        names: of the variables.
        log: whether it is logarithmic where all is positive.
    """

    title: str
    names: tuple[str, ...]
    log: bool = False


class Dim(NamedTuple):
    """A dimension that variables have beside those of the cells.

    Attributes:
        size: how long it is; None where that differs from lane to lane, so that its variables are left out.
        values: of its coordinate, if it has one.
        long_name: in words.
        symbol: in matplotlib's mathtext.
    """

    size: int | None
    values: Sequence[Any] | None = None
    long_name: str = ""
    symbol: str = ""


class Outcome(NamedTuple):
    """A status: what can become of a lane. Its code is its place among a family's; the first is "pending".

    Attributes:
        name: as in CF's flag_meanings.
        good: whether nothing is to be said of a lane that has it.
        counts: whether its lanes count in means, and
        in_rates: whether they do in means of error rates.
        letter: that stands for it in a table of letters.
        hatch: matplotlib's, that stands for it in a picture; "x" is a cross.
    """

    name: str
    good: bool = False
    counts: bool = True
    in_rates: bool = True
    letter: str = ""
    hatch: str = ""


PENDING = Outcome("pending", counts=False, in_rates=False, letter="p")
DIVERGED = Outcome("diverged", counts=False, in_rates=False, letter="x", hatch="x")
DONE = Outcome("done", good=True)


class Machine(NamedTuple):
    """What there is to train lanes with.

    Attributes:
        path: "fast", or "reference" for the plain way.
        native: whether the family's native kernel can be used.
        platform: as JAX calls it.
    """

    path: str = "fast"
    native: bool = False
    platform: str = "cpu"


class Kernel(NamedTuple):
    """Native code that a family's fast path uses.

    Attributes:
        simd: the instruction set it runs with; "" where it cannot be used.
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
    """

    name: str = "plain"
    least: int = MIN_WIDTH
    shares: bool = False
    alone: bool = False
    devices: int = 0


class Cost(NamedTuple):
    """What lanes take, about; the compiled program knows better.

    Attributes:
        lane: bytes of a lane while it trains.
        seed: bytes of a seed's draws.
        look: bytes beside those while lanes are measured.
        step: floating-point operations of a lane's step.
    """

    lane: int
    seed: int = 0
    look: int = 0
    step: float = 1.0


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
        facts: (results) -> (term, text) of what its lanes were trained on.
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
