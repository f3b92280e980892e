"""Boundaries that are found by halving cells: the search alone, on fields that are known."""

import functools
import itertools
import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adam_vs_gd.problem import DIVERGED, DONE, PENDING
from adam_vs_gd.refine.forecast import forecast, rehearsed
from adam_vs_gd.refine.ladder import UNIT, Ladder, deepest, halvings, level_of
from adam_vs_gd.refine.looks import ABOVE, BELOW, NOTHING, UNDECIDED, UNRESOLVED, counted, kinds, looks_of, sides
from adam_vs_gd.refine.question import finest, rungs
from adam_vs_gd.refine.search import Question, Search
from adam_vs_gd.refine.tree import Tree, holds, meet, share
from adam_vs_gd.results.axis import Axis, scale_of
from adam_vs_gd.results.statistics import Spread
from adam_vs_gd.spec.values import expand_range

STATUSES = (PENDING, DIVERGED, DONE)
NORMAL = np.random.default_rng(0).standard_normal(2**16).tolist()


def ladder(values, depth=4, step=0, tolerance=0.0, precision="float32"):
    coarse = np.sort(np.array(values, float))
    return Ladder("a", Axis("a", "a", "a", coarse, (), *scale_of(coarse)), step, precision, depth, tolerance)


def all_values(one, depth):
    return [one.value(at) for at in range(0, one.intervals * UNIT + 1, UNIT >> depth)]


@pytest.mark.parametrize("how", ["linspace", "geomspace"])
@given(st.floats(1e-6, 1e3), st.floats(1.5, 1e4), st.integers(2, 9), st.integers(1, 5))
def test_halved_ranges_are_the_finer_ranges(how, first, factor, count, depth):
    ends = [float(f"{end:.4g}") for end in (first, first * factor)]
    coarse = ladder(expand_range({how: [*ends, count]}))
    if scale_of(coarse.axis.values)[0] != {"linspace": "linear", "geomspace": "log"}[how]:
        return  # two values, or three nearly alike, that suit the other scale as well
    fine = expand_range({how: [*ends, (count - 1) * 2**depth + 1]})
    np.testing.assert_allclose(all_values(coarse, depth), fine, rtol=2e-12)
    exact = np.mean([a == b for a, b in zip(all_values(coarse, depth), fine, strict=True)])
    assert exact > 0.9, "lanes of the one are lanes of the other"


def test_shipped_ranges_are_halved_to_the_digit():
    for how, first, last, count in [
        ("geomspace", 0.01, 1.0, 17),
        ("linspace", 0.0, 0.8, 17),
        ("geomspace", 5e-6, 0.02, 9),
    ]:
        fine = expand_range({how: [first, last, count]})
        assert all_values(ladder(fine[::2]), 1) == fine
        assert all_values(ladder(fine[::4]), 2) == fine


@given(st.lists(st.integers(1, 2000), min_size=2, max_size=6, unique=True), st.sampled_from([1, 2]))
def test_integers_are_halved_until_they_are_neighbours(values, step):
    one = ladder([value * step for value in values], depth=30, step=step)
    found = [one.value(at) for at in range(0, one.intervals * UNIT + 1, UNIT)]
    for k in range(one.intervals):
        todo = [(k * UNIT, (k + 1) * UNIT)]
        while todo:
            low, high = todo.pop()
            if (at := one.middle((low, high))) is None:
                assert one.value(high) - one.value(low) == step
            else:
                found.append(one.value(at))
                todo += [(low, at), (at, high)]
    assert sorted(found) == list(range(min(values) * step, max(values) * step + 1, step))


def test_an_axis_is_halved_in_its_own_scale():
    assert ladder([1, 2, 3]).value(UNIT // 2) == 1.5
    assert ladder([0.01, 0.1, 1]).value(UNIT // 2) == float(f"{10**-1.5:.12g}")
    logit = ladder([0.9, 0.99, 0.999])
    assert logit.axis.scale == "logit"
    assert logit.value(UNIT // 2) / (1 - logit.value(UNIT // 2)) == pytest.approx(math.sqrt(9 * 99))
    assert ladder([10, 100, 1000], step=1).value(UNIT // 2) == 32
    with_zero = ladder([0, 1e-4, 1e-3, 1e-2])
    assert with_zero.axis.scale == "symlog"
    assert with_zero.value(UNIT // 2) == 5e-5
    assert ladder([0.1, 0.2]).width((0, UNIT)) == pytest.approx(0.1)
    assert ladder([0.1, 1.0, 10.0]).width((0, UNIT)) == pytest.approx(math.log(10)), "a relative difference"


def test_halving_ends_at_the_tolerance_the_depth_and_the_precision():
    one = ladder([1.0, 10.0, 100.0], depth=30, tolerance=0.03)
    assert halvings(one, 0.03) == 7
    assert one.middle((0, UNIT >> 6)) is not None
    assert one.middle((0, UNIT >> 7)) is None
    assert ladder([1.0, 2.0], depth=3).middle((0, UNIT >> 3)) is None
    close = ladder([1.0, 1.0 + 2**-20], depth=30)
    assert deepest(close) == 3, "2^-23 is the last bit of float32"
    assert close.between((0, UNIT >> 3)) is None
    assert deepest(ladder([1.0, 1.0 + 2**-20], depth=30, precision="float64")) > 15, "twelve digits"
    assert rungs(ladder([1, 2, 4], depth=3)) == 17
    assert rungs(ladder([10, 12, 15], depth=5, step=1)) == 6
    assert [level_of(at) for at in (0, UNIT, UNIT // 2, 3 * UNIT // 4)] == [0, 0, 1, 2]


@given(st.integers(2, 3), st.lists(st.integers(0, 10**6), max_size=25), st.booleans())
def test_cells_tile_the_diagram_know_their_vertices_and_are_alike_beside(axes, picks, coarse_axis):
    depths = [1 if coarse_axis and k == 0 else 3 for k in range(axes)]
    tree = Tree([ladder([0, 1, 2], depth=depth) for depth in depths])
    rng = np.random.default_rng(0)
    for _ in range(40):
        tree.add(tuple(int(at) * (UNIT >> 3) for at in rng.integers(0, 17, axes)))
    for pick in picks:
        tree.balance(tree.halve(list(tree.leaves)[pick % len(tree.leaves)]))
    volume = sum(math.prod((high - low) / UNIT for low, high in box) for box in tree.leaves)
    assert volume == 2**axes
    for box in tree.leaves:
        assert sorted(tree.cells[box].vertices) == sorted(v for v in tree.vertices if holds(box, v))
        for other in tree.leaves:
            if meet(box, other) and share(box, other) and None not in tree.middles(other):
                assert tree.cells[box].level <= tree.cells[other].level + 1


def on(question_axes, field, looks=(2, 8), level=0.5, most=None, rng_seed=0, noise=0.0, status=False):
    """A search for a field's level, and what reads lanes: `field` gives means at [points, axes], seeds have noise."""
    question = Question(
        ("a",), "a", None if status else level, tuple(question_axes), looks_of(*looks), STATUSES, most=most
    )

    @functools.cache
    def lane(vertex, seed):
        at = np.array([[one.value(k) for one, k in zip(question_axes, vertex, strict=True)]])
        return float(field(at)[0]) + noise * NORMAL[zlib.crc32(repr((rng_seed, seed, vertex)).encode()) % len(NORMAL)]

    def read(vertices, seeds):
        values = np.array([[[lane(vertex, seed) for seed in range(seeds)] for vertex in vertices]])
        codes = np.full(values.shape, 2, np.int8)
        return values, np.where(np.isnan(values), 1, codes) if not status else np.where(values > 0.5, 2, 1).astype(
            np.int8
        )

    return Search(question), read


def finish(search, read):
    while search.asks:
        assert search.go_on(read)
        assert search.spent == sum(seeds for _, seeds in search.vertices), "a lane is paid for once"
    return search


def grid(cells=8, depth=3, axes=2, **keys):
    return [ladder(np.linspace(0, 1, cells + 1), depth, precision="float64", **keys) for _ in range(axes)]


def line(at):
    return np.where(at[:, 1] > 0.27 + 0.47 * at[:, 0], 0.9, 0.0)


def island(at):
    return np.where((at[:, 0] - 0.63) ** 2 + (at[:, 1] - 0.34) ** 2 < 0.03 / math.pi, 0.9, 0.0)


def crossed(axes, field):
    """Cells of the finest grid that a field changes in."""
    n = axes[0].intervals * 2 ** axes[0].depth
    at = np.linspace(0, 1, n + 1)
    points = np.stack(np.meshgrid(*[at] * len(axes), indexing="ij"), -1)
    high = field(points.reshape(-1, len(axes))).reshape(points.shape[:-1]) > 0.5
    corners = [high[tuple(slice(k, n + k) for k in shift)] for shift in itertools.product((0, 1), repeat=len(axes))]
    return {tuple(map(int, cell)) for cell in np.argwhere(np.any(corners, 0) & ~np.all(corners, 0))}


def crossing_leaves(search):
    """Finest leaves whose vertices differ, as cells of the finest grid."""
    fine = [UNIT >> one.depth for one in search.question.ladders]
    return {
        tuple(low // unit for (low, _), unit in zip(box, fine, strict=True))
        for box in search.tree.leaves
        if all(high - low == unit for (low, high), unit in zip(box, fine, strict=True))
        and len({search.found[v] for v in search.tree.cells[box].vertices if search.found[v] >= 0}) > 1
    }


@pytest.mark.parametrize("field", [line, island])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_every_cell_that_a_boundary_passes_through_is_found_with_a_fraction_of_the_lanes(field, noise):
    axes = grid()
    search = finish(*on(axes, field, noise=noise))
    assert crossing_leaves(search) == crossed(axes, field)
    assert search.spent < finest(axes) * 2 / 6
    assert not search.cut


def test_a_surface_in_three_axes_is_found():
    axes = grid(cells=4, depth=2, axes=3)
    field = lambda at: np.where(at.sum(1) > 1.3, 0.9, 0.0)  # noqa: E731
    search = finish(*on(axes, field))
    assert crossing_leaves(search) == crossed(axes, field)
    assert search.spent < finest(axes) * 2 / 2


def test_where_one_axis_is_coarse_enough_rows_are_bisected():
    axes = [grid(4, depth=0)[0], grid(4, depth=6)[0]]
    search = finish(*on(axes, line))
    rows = 5
    assert search.spent <= 1.15 * 2 * (5 * rows + 6 * rows)
    for row in range(rows):
        edge = 0.27 + 0.47 * row / 4
        at = sorted(v[1] / UNIT / 4 for v in search.look if v[0] == row * UNIT)
        gap = next(b - a for a, b in itertools.pairwise(at) if a <= edge < b)
        assert gap == 1 / 4 / 2**6


def reachable(search, read, known):
    """Go on with only some lanes known."""

    def some(vertices, seeds):
        values, codes = read(vertices, seeds)
        there = np.array([[[(vertex, seed) in known for seed in range(seeds)] for vertex in vertices]])
        return values, np.where(there, codes, 0).astype(np.int8)

    while search.asks and search.go_on(some):
        pass


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.1, 0.4]))
def test_lanes_are_the_same_in_whatever_order_they_come(rng_seed, noise):
    rng = np.random.default_rng(rng_seed)
    slope, start = rng.random(2)
    field = lambda at: np.where(at[:, 1] > start + (slope - 0.5) * at[:, 0], 0.9, 0.0)  # noqa: E731
    make = lambda: on(grid(3, 2), field, noise=noise, rng_seed=rng_seed)  # noqa: E731
    whole, read = make()
    finish(whole, read)
    known = set()
    while True:
        search, _ = make()  # as a process would that begins with what is in the journal
        reachable(search, read, known)
        if not search.asks:
            break
        wanted = [(ask.vertex, seed) for ask in search.asks for seed in range(search.question.looks.seeds[ask.look])]
        new = [lane for lane in wanted if lane not in known]
        assert new
        known |= {new[k] for k in rng.permutation(len(new))[: 1 + len(new) // 2]}
    assert dict(search.vertices) == dict(whole.vertices)
    assert search.found == whole.found
    assert (search.spent, search.rounds) == (whole.spent, whole.rounds)


@pytest.mark.parametrize("most", [200, 400, 10**6])
def test_the_budget_is_kept_and_coarse_levels_come_first(most):
    search = finish(*on(grid(8, 4), line, most=most))
    assert search.spent <= most
    assert search.cut == (most < 10**6)
    free = finish(*on(grid(8, 4), line))
    if search.cut:
        assert search.spent > most - 20
        assert max(search.tree.cells[box].level for box in search.tree.leaves) < 5
    else:
        assert search.look == free.look


def test_a_twentieth_is_held_out_and_what_contradicts_is_looked_into():
    search = finish(*on(grid(8, 3), line))
    cost = 2 * len(search.held)
    assert 0.05 * search.spent <= cost < 0.11 * search.spent
    inside = lambda at: np.where(np.abs(at - [0.53, 0.47]).max(1) < 0.055, 0.9, 0.0)  # noqa: E731
    # between the corners of the coarse cells, where a point held out falls by chance
    found = [finish(*on(grid(8, 3), lambda at, up=k / 100: inside(at + np.array([0, up])))) for k in range(-12, 12)]
    hit = [one for one in found if crossing_leaves(one)]
    assert hit
    for one in found:
        wrong = [v for v, kind in one.held.items() if one.found[v] != kind]
        if wrong:
            assert crossing_leaves(one), "a contradiction is where halving begins"


@pytest.mark.parametrize("cells", [(2, 2), (2, 4), (3, 2)])
def test_where_places_are_few_none_is_held_out_twice(cells):
    search = finish(*on([*grid(cells[0], 4, 1), *grid(cells[1], 6, 1)], line))
    assert search.held


def test_seeds_are_given_where_they_tell_and_not_where_they_do_not():
    slope = lambda at: 0.5 + (at[:, 1] - 0.5)  # noqa: E731
    search = finish(*on(grid(8, 3), slope, noise=0.1))
    seeds = {vertex: search.question.looks.seeds[look] for vertex, look in search.look.items()}
    far = [n for vertex, n in seeds.items() if abs(vertex[1] / UNIT / 8 - 0.5) > 0.4]
    near = [n for vertex, n in seeds.items() if abs(vertex[1] / UNIT / 8 - 0.5) < 0.05]
    assert np.mean(far) < 2.5 < np.mean(near)
    assert max(seeds.values()) == 8
    wrong = [v for v, kind in search.found.items() if kind in (BELOW, ABOVE) and (kind == ABOVE) != (v[1] > 4 * UNIT)
             and v[1] != 4 * UNIT]  # fmt: skip
    assert len(wrong) <= 0.05 * len(search.found)
    assert UNRESOLVED in search.found.values()


def test_within_noise_nothing_is_halved_for_ever():
    search = finish(*on(grid(8, 5), lambda at: np.full(len(at), 0.5), noise=1.0))
    assert search.spent < finest(grid(8, 5)) * 8 / 25


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_looking_repeatedly_is_wrong_as_rarely_as_is_said(noise):
    looks, wrong, count = looks_of(2, 16), 0, 400
    rng = np.random.default_rng(0)
    values = 0.5 + noise * rng.standard_normal((1, count, 16))
    around = noise**2 * rng.chisquare(9, count)
    open_ = np.ones(count, bool)
    for look, seeds in enumerate(looks.seeds):
        spread = Spread(around, np.full(count, 9))
        side = sides(values[..., :seeds], 0.5, look, looks, None, spread)
        wrong += int((open_ & (side >= 0)).sum())
        open_ &= side == UNDECIDED
    assert wrong / count < 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / count)


def test_a_side_is_told_by_the_seeds_there_and_around():
    looks = looks_of(2, 8)
    values = np.array([[[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [np.nan, np.nan], [0.8, 0.8]]])
    spread = Spread(np.array([0.01, 0.01, 0.32, 0.0, 3.0]), np.array([9, 9, 1, 0, 9]))
    assert sides(values, 0.5, 0, looks, None, spread).tolist() == [BELOW, ABOVE, UNDECIDED, NOTHING, UNDECIDED]
    last = sides(values[..., [0, 1, 0, 1, 0, 1, 0, 1]], 0.5, 2, looks, None, spread)
    assert last[2] == UNRESOLVED
    one = looks_of(1, 1)
    alone = sides(np.array([[[0.2], [0.5], [np.nan]]]), 0.5, 0, one, None, None)
    assert alone.tolist() == [BELOW, ABOVE, NOTHING], "of one seed it is what it says"
    difference = np.array([[[0.9, 0.9], [0.9, 0.5]], [[0.1, 0.1], [0.1, 0.5]]])
    spread = Spread(np.array([1e-4, 0.3]), np.array([9, 9]))
    assert sides(difference, 0.5, 0, looks, np.full(2, 1000.0), spread).tolist() == [ABOVE, UNDECIDED]


def test_lanes_that_do_not_count_do_not_decide():
    codes = np.array([[[2, 2], [1, 2]]])
    found = counted(np.array([[[0.1, 0.2], [9.0, 0.3]]]), codes, STATUSES, rate=False)
    np.testing.assert_array_equal(found, [[[0.1, 0.2], [np.nan, 0.3]]])


def test_a_status_is_that_of_all_seeds_or_of_most_beyond_doubt():
    looks = looks_of(2, 16)
    assert kinds(np.array([[2, 2], [1, 1], [1, 2]]), 0, looks).tolist() == [2, 1, UNDECIDED]
    many = np.array([[1] * 15 + [2], [1] * 9 + [2] * 7])
    assert kinds(many, 3, looks).tolist() == [1, UNRESOLVED]


def test_a_change_of_status_is_found():
    axes = grid(4, 3)
    search = finish(*on(axes, line, status=True, looks=(1, 1)))
    assert crossing_leaves(search) == crossed(axes, line)


def test_where_nothing_crosses_only_held_out_points_are_added():
    search = finish(*on(grid(8, 4), lambda at: np.full(len(at), 0.1)))
    assert len(search.look) == 81 + len(search.held)
    assert set(search.found.values()) == {BELOW}


def test_a_forecast_is_near_the_truth_for_a_line_and_never_beyond_the_most():
    axes = grid(8, 4)
    search, read = on(axes, line)
    levels = rehearsed(search.question)
    first = forecast(search, levels)
    finish(search, read)
    assert first.lanes == pytest.approx(search.spent, rel=0.5)
    assert abs(first.rounds - search.rounds) <= 3
    assert forecast(search, levels) == (search.spent, search.rounds)
    bounded, _ = on(axes, line, most=300)
    assert forecast(bounded, levels).lanes <= 300
