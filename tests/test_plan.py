"""Lanes -> groups -> chunks: pure, even, never narrow, and the same after an interruption."""

import dataclasses
from collections import Counter

import jax
import numpy as np
import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from small import FAMILY, make_plan

import adam_vs_gd as ag
from adam_vs_gd.cli.grammar import parser
from adam_vs_gd.engine.outline import outline
from adam_vs_gd.engine.packing import BLOCK, halved, laid_out
from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.engine.settings import PATHS, PRODUCTS
from adam_vs_gd.problem import MIN_WIDTH, Machine
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.fast.dense import PRODUCTS as TAKEN
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.ways import way_of, way_on
from adam_vs_gd.spec.cells import cells

AMPLE = Limits(devices=1, memory=2**40, cache=2**40, width=16, machine=Machine(native=True))
MEANS = [Machine(path, native) for path in PATHS for native in (False, True)] + [Machine(platform="gpu")]


def lanes_of(**keys):
    return [lane for _, lane in cells(small.spec(**keys))]


LANES = lanes_of(seeds=7, data={"alpha": [0.0, 0.1, 0.2], "d": [60, 80]})


def digests(plan):
    return [lane.digest for group in plan.groups for chunk in group.chunks for lane in chunk.lanes]


def test_groups_share_a_program_and_chunks_are_even():
    plan = make_plan([*LANES, *LANES], AMPLE)
    assert plan.lanes == len(LANES)
    assert len(plan.groups) == 4, "two optimizers, two dimensions"
    for group in plan.groups:
        assert len({lane.static for chunk in group.chunks for lane in chunk.lanes}) == 1
        assert (group.width, [len(chunk.lanes) for chunk in group.chunks]) == (11, [11, 10])
        assert group.seed_slots == max(len(chunk.seeds) for chunk in group.chunks)
        assert group.extent == 10


limits = st.builds(
    Limits,
    devices=st.integers(1, 8),
    memory=st.integers(1, 2**22),
    cache=st.integers(1, 2**22),
    width=st.integers(1, 64),
    machine=st.sampled_from(MEANS),
)


@given(limits, st.sets(st.integers(0, len(LANES) - 1)))
def test_every_missing_lane_once_in_chunks_that_fit(limits, gone):
    done = {LANES[i].digest for i in gone}
    plan = make_plan(LANES, limits, done)
    assert sorted(digests(plan)) == sorted({lane.digest for lane in LANES} - done)
    for group in plan.groups:
        each = group.width / group.devices
        least = -(-group.way.least // group.block) * group.block
        assert each == int(each) >= least
        assert group.devices <= limits.devices
        assert each % group.block == 0
        before_padding = each - group.block + 1
        assert before_padding <= max(least, limits.width)
        assert each == least or group.bytes <= limits.memory
        assert each == least or before_padding * group.cost.lane <= limits.cache
        assert all(len(chunk.lanes) <= group.width for chunk in group.chunks)
        assert all(len(chunk.seeds) <= group.seed_slots for chunk in group.chunks)
        for chunk in group.chunks:
            places = laid_out(chunk.lanes, group.block, FAMILY.share)
            assert len(places) <= group.width
            assert list(dict.fromkeys(places)) == list(range(len(chunk.lanes)))
            for k in range(0, len(places), group.block):
                assert len({FAMILY.share(chunk.lanes[i]) for i in places[k : k + group.block]}) == 1


@given(st.integers(1, 8), st.integers(4, 20))
def test_a_sweep_that_goes_on_keeps_its_programs_and_its_chunks(devices, width):
    limits = Limits(devices, 2**40, 2**40, width)
    whole = make_plan(LANES, limits)
    first = whole.groups[0].chunks[0]
    rest = make_plan(LANES, limits, {lane.digest for lane in first.lanes})
    same = [g for g in rest.groups if g.static == whole.groups[0].static]
    if len(whole.groups[0].chunks) > 2:
        assert dataclasses.replace(same[0], chunks=()) == dataclasses.replace(whole.groups[0], chunks=())
        assert same[0].chunks == whole.groups[0].chunks[1:]


def test_lanes_begun_together_stay_together_and_come_first():
    begun = [lane.digest for lane in LANES if lane.static == LANES[-1].static][2:9]
    plan = make_plan(LANES, AMPLE, unfinished=[begun])
    (group,) = [group for group in plan.groups if group.static == LANES[-1].static]
    assert [lane.digest for lane in group.chunks[0].lanes] == begun
    assert sorted(digests(plan)) == sorted(lane.digest for lane in LANES)
    narrow = make_plan(LANES, dataclasses.replace(AMPLE, width=4), unfinished=[begun])
    (group,) = [group for group in narrow.groups if group.static == LANES[-1].static]
    assert [lane.digest for chunk in group.chunks[:2] for lane in chunk.lanes] == begun


def test_a_few_new_lanes_do_not_pay_for_a_wide_chunk():
    limits = Limits(4, 2**40, 2**40, 16)
    new = LANES[-1].digest
    (group,) = make_plan(LANES, limits, {lane.digest for lane in LANES} - {new}).groups
    assert (group.devices, group.width) == (1, MIN_WIDTH)


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_halving_keeps_every_lane_and_stops_at_the_narrowest(devices):
    group = make_plan(LANES, Limits(devices, 2**40, 2**40, 16)).groups[0]
    widths = []
    while group is not None:
        widths.append(group.width // group.devices)
        assert group.lanes == 21
        assert all(len(chunk.lanes) <= group.width for chunk in group.chunks)
        last, group = group, halved(group)
    assert widths == sorted(widths, reverse=True)
    assert (last.devices, last.width) == (1, MIN_WIDTH), "on fewer devices in the end"


@pytest.mark.parametrize(
    ("devices", "seeds", "alphas", "block", "width"),
    [(1, 2, 64, 64, 128), (1, 2, 100, 50, 200), (1, 5, 11, 11, 55), (1, 3, 2, 1, 6), (8, 2, 64, 16, 128)],
)
def test_on_an_accelerator_blocks_are_as_wide_as_lanes_share(devices, seeds, alphas, block, width):
    """But no wider than the devices can share out without padding; on a CPU they are of four."""
    lanes = lanes_of(seeds=seeds, data={"alpha": [k / 128 for k in range(alphas)]}, optimizers={"adam": {}})
    limits = Limits(devices, 2**40, 2**40, 512, machine=Machine(platform="gpu"))
    (group,) = make_plan(lanes, limits).groups
    assert (group.way.name, group.block, group.width) == ("dense", block, width)
    (on_cpu,) = make_plan(lanes, dataclasses.replace(limits, machine=Machine())).groups
    assert on_cpu.block == min(BLOCK, block)
    assert not on_cpu.way.wide
    narrower, blocks = group, []
    while narrower is not None:
        blocks.append(narrower.block)
        assert narrower.lanes == len(lanes)
        narrower = halved(narrower)
    assert blocks[-1] < 2 * BLOCK, "blocks get narrower with the memory that there is"


@pytest.mark.parametrize(("precision", "products"), [("float32", "tf32x3"), ("float64", "float32")])
def test_products_of_parts_are_those_of_xla_s_steps_in_float32(precision, products):
    """The kernels have none, and a CPU takes them in float32."""
    static, numbers = Static(precision=precision), Hyper(**small.HYPER)
    by_xla = Machine(platform="gpu", products="tf32x3")
    assert way_of(static, numbers, by_xla).products == products
    for machine in (by_xla._replace(native=True, simd="sm_90"), by_xla._replace(platform="cpu")):
        other = way_of(Static(), numbers, machine)
        assert (other.products, other.wide) == ("float32", False)


@pytest.mark.parametrize(("optimizer", "method"), [("adam", "dense"), ("gd", "gram")])
def test_steps_alone_are_taken_with_other_products(optimizer, method):
    """Not what is measured, nor W*'s gradient norm, nor a Gram matrix."""
    way = way_on("gpu", method, "bf16x3")
    batch = make_batch(Static(optimizer, n=8, d=40, width=2, test_size=20, steps=20), 5, way, 2)
    hyper = jax.tree.map(lambda value: np.full(4, value, np.float32), Hyper(**small.HYPER))
    draws = jax.eval_shape(lambda key: jax.tree.map(lambda a: a[None], batch.draw(key)), jax.random.key(0))
    lanes = hyper, np.zeros(4, np.int32), draws
    state = jax.eval_shape(batch.start, *lanes)
    steps = str(jax.make_jaxpr(batch.advance)(*lanes, state, np.int32(0), np.int32(20)))
    assert "BF16_BF16_F32_X3" in steps
    assert ("HIGHEST" in steps) == (method == "gram")
    measured = str(jax.make_jaxpr(batch.measure)(*lanes, state))
    assert "HIGHEST" in measured
    assert "BF16_BF16_F32_X3" not in measured


def test_products_are_named_alike_wherever_they_are_named():
    typed = [parser().parse_args(["sweep", "a.toml", "--products", word]).products for word in PRODUCTS]
    assert typed == list(PRODUCTS) == list(TAKEN)


def test_a_cpu_is_asked_for_no_products_of_parts(tmp_path):
    with pytest.raises(ag.MachineError, match="products = tf32x3: is for accelerators; a CPU multiplies in float32"):
        ag.run_sweep(small.spec(), tmp_path / "out", quiet=True, products="tf32x3")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ag.MachineError, match="products = 'tf32': must be one of float32, tf32x3, bf16x3"):
        ag.run_sweep(small.spec(), products="tf32")


def test_a_lane_more_of_each_seed_does_not_fill_a_wide_block():
    lanes = lanes_of(seeds=4, data={"alpha": [k / 64 for k in range(64)]}, optimizers={"adam": {}})
    limits = Limits(1, 2**40, 2**40, 512, machine=Machine(platform="gpu"))
    done = {lane.digest for lane in lanes if lane.hyper.alpha > 0}
    (group,) = make_plan(lanes, limits, done).groups
    assert Counter(lane.seed for chunk in group.chunks for lane in chunk.lanes) == dict.fromkeys(range(4), 1)
    assert (group.block, group.width) == (4, 16)


def test_devices_that_share_a_memory_are_fewer_where_that_lets_a_chunk_fit():
    ample = make_plan(LANES, Limits(4, 2**40, 2**40, 4, shared=True)).groups[0]
    assert ample.devices == 4
    tight = Limits(4, ample.bytes * 2, 2**40, 4, shared=True)
    assert tight.each(4) == ample.bytes // 2
    group = make_plan(LANES, tight).groups[0]
    assert (group.devices, group.width) == (2, 2 * MIN_WIDTH)
    assert group.bytes <= tight.each(2)
    assert make_plan(LANES, Limits(4, ample.cost.lane, 2**40, 4)).groups[0].devices == 4, "memories of their own"


def test_a_plan_is_described_with_its_memory():
    small = make_plan(LANES, Limits(1, 1000, 2**40, 4))
    assert str(outline(small, Limits(1, 1000, 2**40, 4))).count("1e+03 B may be used\n    does not fit") == 4
    text = str(outline(make_plan(LANES, AMPLE), AMPLE))
    assert "does not fit" not in text
    assert text.startswith("84 lanes to train, 5.04e+03 lane-steps, in 4 groups (one compilation each) of 8 chunks")
    assert text.count("memory of each device: about") == 4
    assert "11 lanes x" in text


@pytest.mark.parametrize(
    ("static", "s", "means", "expected"),
    [
        ({}, 100, Machine("reference", native=True), "plain"),
        ({}, 100, Machine(native=True), "sparse"),
        ({}, 800, Machine(native=True), "sparse"),
        ({}, 801, Machine(native=True), "dense"),
        ({}, 100, Machine(), "dense"),
        ({"precision": "float64"}, 100, Machine(native=True), "dense"),
        ({"optimizer": "gd"}, 100, Machine(native=True), "span"),
        ({"optimizer": "gd"}, 999, Machine(native=True), "span"),
        ({"optimizer": "gd"}, 100, Machine(), "gram"),
        ({"optimizer": "gd", "precision": "float64"}, 100, Machine(native=True), "gram"),
        ({"optimizer": "momentum"}, 100, Machine(native=True), "gram"),
        ({"optimizer": "momentum", "n": 1000}, 100, Machine(native=True), "sparse"),
        ({"batch_size": 20}, 100, Machine(native=True), "sparse"),
        ({"optimizer": "gd", "batch_size": 200}, 100, Machine(), "plain"),
        ({"optimizer": "gd", "n": 998}, 100, Machine(native=True), "span"),
        ({"optimizer": "gd", "n": 1000}, 100, Machine(native=True), "sparse"),
    ],
)
def test_a_lane_s_own_numbers_decide_how_it_is_trained(static, s, means, expected):
    hyper = Hyper(0.2, s, 0.1, 0.01, 1e-5, 5e-5)
    assert FAMILY.way(Static(**static), hyper, means).name == expected
