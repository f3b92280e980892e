"""The GPU's kernels without a GPU: the same source on this CPU, what compilers make of it, and how it is launched."""

import contextlib
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import emulated
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
import test_rest
from hypothesis import given
from hypothesis import strategies as st
from patience import HUNG
from test_oracle import compare

import adam_vs_gd as ag
from adam_vs_gd.engine.chunk import batched
from adam_vs_gd.engine.packing import BLOCK
from adam_vs_gd.errors import MachineError
from adam_vs_gd.problem import Machine
from adam_vs_gd.problems.two_patch import ways
from adam_vs_gd.problems.two_patch.fast import make_batch
from adam_vs_gd.problems.two_patch.fast.cuda import available, launching, nvrtc, programs
from adam_vs_gd.problems.two_patch.geometry import (
    SHARED,
    WARP,
    Sizes,
    architecture,
    in_span,
    of_coordinates,
)  # fmt: skip
from adam_vs_gd.problems.two_patch.lane import Hyper, Static
from adam_vs_gd.problems.two_patch.problem import two_patch

HOPPER, AMPERE, ADA = (architecture(capability) for capability in ("9.0", "8.0", "8.9"))
ETA = {"gd": 0.5, "signgd": 1e-2, "adam": 2e-2, "adam_paper": 1e-2}


@pytest.fixture
def gpu(monkeypatch):
    """`gpu(architecture)`: the planner finds a GPU of it, which is emulated."""
    emulated.launcher()
    monkeypatch.setattr(programs, "kernels", emulated.kernels)

    def found(on):
        machine = Machine("fast", native=True, platform="gpu", simd=on.name)
        monkeypatch.setattr(available, "expected", lambda method: on)
        monkeypatch.setitem(vars(small.FAMILY), "way", lambda *lane: ways.way_of(*lane[:2], machine))

    yield found
    emulated.in_order(0)


CASES = {
    "adam": (HOPPER, "cuda", {}, {}),
    "signgd": (HOPPER, "cuda", {}, {}),
    "adam_paper": (AMPERE, "cuda", {}, {}),
    "gd": (HOPPER, "cuda_span", {}, {}),
    "gd without a span": (HOPPER, "cuda", {"n": 12, "d": 12, "s": 4}, {}),
    "adam, odd sizes": (AMPERE, "cuda", {"n": 34, "d": 47, "s": 9}, {"width": 5, "q": 2}),
    "gd, odd sizes": (AMPERE, "cuda_span", {"n": 34, "d": 47, "s": 9}, {"width": 5, "q": 4}),
    "adam, many filters": (ADA, "cuda", {"n": 8, "d": 40, "s": 9}, {"width": 33}),
    "adam, idle coordinates": (HOPPER, "cuda", {"n": 6, "d": 300, "s": 4}, {"width": 3}),
    "signgd, idle coordinates": (HOPPER, "cuda", {"n": 6, "d": 300, "s": 4}, {"width": 3}),
    "gd, idle coordinates": (HOPPER, "cuda_span", {"n": 6, "d": 300, "s": 4}, {"width": 3}),
    "adam, linear": (HOPPER, "cuda", {}, {"name": "linear"}),
    "gd, linear": (HOPPER, "cuda_span", {}, {"name": "linear"}),
}


@pytest.mark.parametrize("case", CASES)
def test_sweeps_are_the_oracle_s(case, gpu):
    on, way, data, model = CASES[case]
    gpu(on)
    optimizer = case.partition(" ")[0].rstrip(",")
    spec = small.spec(
        seeds=[3], steps=60, record=4, data={"sigma_p": 0.4} | data, model=model, train={"lam": 1e-2},
        optimizers={optimizer: {"eta": ETA[optimizer] / 5}},
    )  # fmt: skip
    static, hyper = next((lane.static, lane.hyper) for _, lane in ag.spec.cells.cells(spec))
    assert small.FAMILY.way(static, hyper, None).name == way
    compare(ag.run_sweep(spec, quiet=True), small.oracle_run(spec), 2e-4, optimizer)


def hyper_of(count, **numbers):
    """Numbers of lanes that differ in α, and in what is given."""
    usual = {"alpha": np.linspace(0, 0.5, count), "s": 5, "sigma_p": 0.5, "sigma_0": 0.3, "lam": 1e-2, "eta": 2e-2,
             "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "eta_after": 0, "switch": 0}  # fmt: skip
    return Hyper(
        **{name: jnp.full(count, jnp.asarray(value), jnp.float32) for name, value in (usual | numbers).items()}
    )


SIZES = {"n": 8, "d": 40, "width": 3, "q": 3, "test_size": 50}


def batch_of(optimizer, sharers=4, on=HOPPER, **sizes):
    """The programs of lanes of some shapes, emulated; and which way they are."""
    static = Static(optimizer, steps=200, **(SIZES | sizes))
    spans = optimizer == "gd" and static.n + 1 < static.d
    return (programs.in_the_span if spans else programs.coordinates)(static, 6, on, sharers)


def trained(batch, hyper, slot, *steps):
    """A state after steps 0 to the last of `steps`, cut there; what is measured of it; and what is told at the end."""
    draws = jax.tree.map(lambda *a: jnp.stack(a), *[batch.draw(jax.random.key(k)) for k in range(2)])
    lanes = hyper, jnp.asarray(slot, jnp.int32), draws
    state = jax.jit(batch.start)(*lanes)
    for start, stop in zip((0, *steps), steps, strict=False):
        state = jax.jit(batch.advance)(*lanes, state, np.int32(start), np.int32(stop))
    measured = {**jax.jit(batch.measure)(*lanes, state), **jax.jit(batch.test)(*lanes, state)}
    return jax.tree.map(np.asarray, (state, measured, jax.jit(batch.finish)(*lanes, state, measured)))


def assert_same_bits(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.tobytes() == b.tobytes()


def lanes_of(tree, index):
    """Those lanes of what has an axis of them ahead; step counters of optimizers too."""
    return jax.tree.map(lambda a: a[index], tree)


@pytest.mark.parametrize("optimizer", ["adam", "gd"])
def test_segments_may_be_cut_anywhere_and_threads_run_in_any_order(optimizer, gpu):
    """A barrier too few would show: threads run until they wait, in the order that is asked for."""
    batch, hyper, slot = batch_of(optimizer, d=90), hyper_of(4, eta=ETA[optimizer]), [1] * 4
    want = trained(batch, hyper, slot, 200)
    assert (want[2]["best_step"] > 0).all(), "lanes must fit"
    assert_same_bits(trained(batch, hyper, slot, 1, 2, 130, 181, 195, 200), want)
    for order in (1, 2, 3):
        emulated.in_order(order)
        assert_same_bits(trained(batch, hyper, slot, 77, 200), want)


@pytest.mark.parametrize("optimizer", ["adam", "gd"])
def test_a_lane_is_the_same_bits_beside_whomever(optimizer, gpu):
    """In another place, among others, beside one that diverges, and alone: of one layout."""
    batch, hyper, slot = batch_of(optimizer), hyper_of(8, eta=ETA[optimizer], s=[5] * 4 + [3] * 4), [0] * 4 + [1] * 4
    want = trained(batch, hyper, slot, 60)
    order = np.array([6, 4, 7, 5, 2, 0, 1, 3])
    found = trained(batch, lanes_of(hyper, order), np.array(slot)[order], 60)
    assert_same_bits(lanes_of(found[1:], np.argsort(order)), want[1:])
    eta = np.full(8, ETA[optimizer])
    eta[5] = 1e30
    spoiled = trained(batch, hyper._replace(eta=jnp.asarray(eta, jnp.float32)), slot, 60)
    others = np.delete(np.arange(8), 5)
    assert_same_bits(lanes_of(spoiled[1:], others), lanes_of(want[1:], others))
    assert spoiled[2]["status"][5] == small.STATUSES.index("diverged")
    assert np.isnan(spoiled[1]["test_error"][5])
    assert_same_bits(lanes_of(trained(batch, lanes_of(hyper, slice(4, 8)), slot[4:], 60)[1:], [0]),
                     lanes_of(want[1:], [4]))  # fmt: skip


@pytest.mark.parametrize("eps", [0.0, 1e-12])
def test_adam_without_an_epsilon_is_plain_s(eps, gpu):
    """What fills a quad beside its filters would be 0/0, and weights that no example touches move by λ·w alone."""
    batch, hyper = batch_of("adam", d=300), hyper_of(4, eps=eps)
    plain = batched(two_patch(Static("adam", steps=200, **SIZES | {"d": 300}), 6))
    found, want = (trained(one, hyper, [0] * 4, 60) for one in (batch, plain))
    np.testing.assert_allclose(found[0].params["w"], want[0].params["w"], rtol=1e-3, atol=1e-5)
    assert found[2]["best_step"].tolist() == want[2]["best_step"].tolist()


def test_a_coordinate_that_is_not_there_is_no_number(gpu):
    batch, hyper = batch_of("adam"), hyper_of(4)
    draw = batch.draw
    wrong = lambda key: (found := draw(key))._replace(  # noqa: E731
        train=found.train._replace(coordinate=found.train.coordinate.at[0, 0].set(40))
    )
    found = trained(replace(batch, draw=wrong), hyper, [0] * 4, 20)
    assert (found[2]["status"] == small.STATUSES.index("diverged")).all()


@pytest.mark.parametrize(("optimizer", "method"), [("adam", "cuda"), ("gd", "cuda_span")])
def test_lanes_come_to_rest_as_plain_ones_do(optimizer, method, gpu):
    """Where those that are left are packed more narrowly, and all is measured at t_fit and at rest too."""
    gpu(HOPPER)
    large = {"eta": 2.0, "sigma_0": 0.5, "sigma_p": 0.5, "steps": 10_000}
    lanes = test_rest.some_lanes(optimizer, **(large if optimizer == "gd" else {}))
    found, plain = small.rows(lanes, method, block=BLOCK), small.rows(lanes, "plain")
    assert any(row["status"] == test_rest.CONVERGED for row in plain.values())
    for lane, want in plain.items():
        assert found[lane].keys() == want.keys()
        for name in ("status", "rest_step", "fit_step"):
            assert found[lane][name] == want[name], name
        for name in ("test_error", "test_error_at_fit", "loss_at_rest", "weight_norm_at_rest", "hessian_min"):
            np.testing.assert_allclose(found[lane][name], want[name], rtol=1e-3, atol=1e-6, err_msg=name)


# ---------------------------------------------------------------------------------------------------------- layouts


@st.composite
def sizes(draw):
    n, d = draw(st.integers(2, 3000)), draw(st.sampled_from([2, 9, 100, 1000, 4000, 10**5]))
    ranks = draw(st.integers(1, max(1, min(d - 1, 2000))))
    rows = n * ranks + 1 if 2 * (n * ranks + 1) < d else d
    return Sizes(n, d, ranks, rows, draw(st.integers(1, 200)), draw(st.integers(0, 2)), draw(st.sampled_from([1, 4])))


@given(sizes(), st.sampled_from(sorted(SHARED)))
def test_layouts_hold_all_filters_and_fit(of, capability):
    on = architecture(capability)
    for layout in (of_coordinates(of, on), in_span(of._replace(moments=1), on)):
        if layout is None:
            continue
        assert layout.fits
        assert layout.shared <= on.shared
        assert layout.partners * layout.lane_quads <= layout.team_quads
        assert of.sharers % layout.partners == 0
        assert layout.threads % WARP == 0
        for first in range(0, layout.partners * layout.lane_quads, layout.quads):  # of each block
            last = min(first + layout.quads, layout.partners * layout.lane_quads) - 1
            assert last // layout.lane_quads - first // layout.lane_quads < layout.locals
        assert not layout.cluster or (on.clusters and layout.blocks <= 8)
        if not layout.tile:
            assert layout.shared_seen <= on.shared


def test_table_1_fits_on_every_gpu_that_is_known():
    of = Sizes(200, 1000, 100, 1000, 40, 2, 4)
    for capability in SHARED:
        assert of_coordinates(of, architecture(capability))
        assert in_span(of._replace(moments=1), architecture(capability))
    assert of_coordinates(of, HOPPER).partners / of_coordinates(of, HOPPER).blocks == 2 / 5
    assert architecture("7.5") is None


@pytest.mark.parametrize(
    ("static", "hyper", "machine", "way"),
    [
        ({}, {}, {}, "cuda"),
        ({"optimizer": "gd"}, {}, {}, "cuda_span"),
        ({"optimizer": "gd", "n": 1000}, {}, {}, "cuda"),
        ({"optimizer": "signgd"}, {}, {"simd": "sm_80"}, "cuda"),
        ({}, {"s": 501}, {}, "dense"),
        ({}, {}, {"native": False, "simd": ""}, "dense"),
        ({}, {}, {"simd": "sm_75"}, "dense"),
        ({}, {}, {"path": "reference"}, "plain"),
        ({"precision": "float64"}, {}, {}, "dense"),
        ({"optimizer": "momentum"}, {}, {}, "gram"),
        ({"d": 20_000}, {}, {}, "dense"),  # 20,000 rows of even four filters find no room
        ({"d": 10**5, "n": 100}, {"s": 5}, {}, "cuda"),  # 501 rows do
        ({"d": 10**5, "n": 100, "optimizer": "gd"}, {"s": 5}, {}, "cuda_span"),
        ({"batch_size": 20}, {}, {}, "plain"),
        ({}, {}, {"platform": "tpu", "native": False, "simd": ""}, "dense"),
    ],
)
def test_the_planner_takes_the_kernels_where_they_fit(static, hyper, machine, way):
    numbers = Hyper(**(small.HYPER | {"s": 100} | hyper))
    found = Machine(**({"native": True, "platform": "gpu", "simd": "sm_90"} | machine))
    assert ways.way_of(Static(**static), numbers, found).name == way


def test_a_method_of_the_kernels_is_refused_without_a_gpu():
    with pytest.raises(MachineError, match="method cuda: there are no kernels for a GPU: "):
        make_batch(Static(), 100, ways.WAYS["cuda"], 4)


# --------------------------------------------------------------------------------------------------------- compilers


def compilers():
    """Every NVRTC that is installed, by its version."""
    found = {}
    for path in nvrtc.candidates():
        with contextlib.suppress(OSError):
            one = nvrtc.Compiler(path)
            found.setdefault(one.version.partition(".")[0], one)
    return found


TABLE_1 = {
    "adam": Static("adam"), "signgd": Static("signgd"), "adam_paper": Static("adam_paper"), "gd": Static("gd"),
    "gd without a span": Static("gd", n=1000, d=900), "linear": Static("adam", "linear", width=1, q=1),
    "idle": Static("adam", d=10**5, n=100),
}  # fmt: skip


def layout_of(what, on):
    """The layout of a training of `TABLE_1`, and its static."""
    static = TABLE_1[what]
    of = ways.sizes_of(static, 5 if what == "idle" else 100, 4)
    return (in_span(of, on) if what == "gd" else of_coordinates(of, on)), static


def binaries(major, capability, what):
    """What a compiler makes of a training of `TABLE_1`."""
    layout, static = layout_of(what, architecture(capability))
    one = compilers().get(major)
    if one is None:
        pytest.skip(f"there is no NVRTC of CUDA {major} here")
    return *one.compile(layout.on.name, launching.macros_of(layout, static)), layout


REGISTERS = 65536  # of a multiprocessor, in which a block must fit


COMPILED = [
    *((major, capability, what) for major in ("13", "12") for capability in ("80", "90") for what in TABLE_1),
    *(("13", capability, what) for capability in SHARED if capability not in ("80", "90") for what in ("adam", "gd")),
]


@pytest.mark.parametrize(("major", "capability", "what"), COMPILED)
def test_every_kernel_compiles_and_its_steps_stay_in_registers(major, capability, what):
    binary, resources, layout = binaries(major, capability, what)
    assert binary.startswith(b"\x7fELF")
    steps = "advance_span" if layout.tile else "advance"
    assert {"prepare", steps} <= resources.keys()
    assert resources[steps].spilled <= 32
    for taken in resources.values():
        assert -(-taken.registers // 8) * 8 * layout.threads <= REGISTERS
        assert taken.spilled <= 64


def test_what_is_compiled_is_kept_and_what_is_damaged_is_not_used(tmp_path, monkeypatch):
    if not compilers():
        pytest.skip("there is no NVRTC here")
    cache = tmp_path / "cache"
    source = tmp_path / "kernels.cu"
    source.write_text('extern "C" __global__ void nothing(float *x) { *x = SHAPE_N; }')
    monkeypatch.setattr(nvrtc, "HERE", tmp_path)
    monkeypatch.setattr(nvrtc, "SOURCE", source)
    calls = []
    compile_now = nvrtc.Compiler.compile
    monkeypatch.setattr(nvrtc.Compiler, "compile", lambda *a: calls.append(a) or compile_now(*a))
    program = lambda on="sm_90", n=1, folder=cache: nvrtc.program(on, {"SHAPE_N": n}, str(folder))  # noqa: E731
    with ThreadPoolExecutor(3) as pool:  # all at once, into one folder
        made, *others = pool.map(lambda _: program(), range(3))
    assert {other.name for other in others} == {made.name}
    (kept,) = (cache / "cuda").iterdir()
    count = len(calls)
    assert program().binary.startswith(b"\x7fELF")
    assert len(calls) == count
    kept.write_bytes(kept.read_bytes()[:-1])
    assert program().name == made.name
    assert len(calls) == count + 1
    assert len({program().name, program("sm_80").name, program(n=2).name}) == 3
    assert program(folder=source / "no folder").name == made.name, "what cannot be kept is compiled again"


def test_without_a_compiler_or_with_a_mistake_the_reason_is_said(monkeypatch):
    if compilers():
        with pytest.raises(nvrtc.CompilerError, match=r"refuses the kernels for sm_90:\n(.*\n)*.*SHAPE_N"):
            nvrtc.compiler().compile("sm_90", {})
    monkeypatch.setattr(nvrtc, "candidates", lambda: ["/nowhere/libnvrtc.so"])
    nvrtc.compiler.cache_clear()
    with pytest.raises(nvrtc.CompilerError, match=r"install 'adam-vs-gd\[cuda13\]'"):
        nvrtc.compiler()


def test_doing_without_the_kernels_is_said_with_the_reason(monkeypatch):
    load = available.load.__wrapped__
    assert "compute capability" in load().why_not or "was not built" in load().why_not
    monkeypatch.setenv("ADAM_VS_GD_NATIVE", "off")
    assert load().why_not == "ADAM_VS_GD_NATIVE is off; unset it to use the kernel"


def test_kernels_are_tried_before_they_are_used(gpu, monkeypatch):
    available.works(HOPPER)
    emulated_kernels = programs.kernels

    def wrong(static, layout):  # as a GPU might do that is not what we think
        return emulated_kernels(replace(static, q=static.q + 1), layout)

    monkeypatch.setattr(programs, "kernels", wrong)
    with pytest.raises(RuntimeError, match=r"other numbers here than the plain path \(adam, "):
        available.works(HOPPER)


# ---------------------------------------------------------------------------------------------------------- launches


@pytest.fixture(scope="module")
def launches(tmp_path_factory):
    """`launches(*lines, **environment)`: what a driver is asked for when kernels are launched."""
    emulated.need_sources()
    folder = tmp_path_factory.mktemp("driver")
    for source, name, flags in (("driver.cc", "libcuda.so.1", ["-shared", "-fPIC"]), ("launch.cc", "launch", ["-ldl"])):
        line = ["g++", "-std=c++17", "-w", emulated.HERE / source, f"-I{emulated.NATIVE}", "-o", folder / name, *flags]
        assert subprocess.run(line).returncode == 0

    def run(*lines, driver=True, **environment):
        around = os.environ | environment | {"LD_LIBRARY_PATH": str(folder) if driver else ""}
        done = subprocess.run(
            [folder / "launch"], input="\n".join(lines), env=around, capture_output=True, text=True, timeout=HUNG
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def test_kernels_are_launched_on_the_stream_of_their_call(launches):
    assert launches("known prepare 6 1 800 4128 1", "known prepare 3 1 800 4128 1") == [
        "push 41", "load BINARY", "find prepare in BINARY", "attribute 8 = 4128",
        "launch prepare, 6x1x1 blocks of 800x1x1 threads, 4128 bytes, stream 40, first argument 6", "pop",
        "push 41", "launch prepare, 3x1x1 blocks of 800x1x1 threads, 4128 bytes, stream 40, first argument 3", "pop",
    ]  # fmt: skip


def test_teams_are_clusters_or_all_there_at_once(launches):
    *_, launch, attribute, pop = launches("known advance 100 5 800 200000 1")
    assert launch.startswith("launch advance, 100x1x1")
    assert (attribute, pop) == ("with 4: 5 1 1", "pop")
    *_, launch, attribute, pop = launches("known advance 100 5 800 200000 0")
    assert launch.startswith("launch advance, 10x1x1"), "13 multiprocessors hold 2 teams of 5"
    assert launch.endswith("first argument 20"), "which take turns with the 20 that there are"
    assert attribute.startswith("with 2: 1")
    *_, launch, attribute, pop = launches("known advance 10 5 512 1000 0")
    assert launch.startswith("launch advance, 10x1x1"), "26 blocks fit"


@pytest.mark.parametrize(
    ("lines", "environment", "said"),
    [
        ("unknown advance 1 1 32 0 0", {}, "there is no program unknown"),
        ("known advance 1 1 32 0 0", {"FAILS": "load"}, "CUDA cannot load a program: out of memory"),
        ("known advance 1 1 32 0 0", {"FAILS": "find"}, "CUDA cannot find a kernel: error 500"),
        ("known advance 1 1 32 0 0", {"FAILS": "launch"}, "CUDA cannot launch advance: out of memory"),
        ("known advance 4 2 32 0 0", {"FAILS": "room"}, "the blocks of a team do not fit on the GPU at once"),
        ("known advance 1 1 32 0 0", {"driver": False}, "there is no driver of CUDA: libcuda.so.1"),
    ],
)
def test_what_fails_is_said(launches, lines, environment, said):
    found = launches(lines, **environment)
    assert found[-1].startswith(said)
    assert found.count("pop") == found.count("push 41")
