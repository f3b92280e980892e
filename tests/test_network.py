"""AlexNet on images, as the engine trains it: against a convolution of NumPy's, and a loop of optax' on XLA's own."""

import functools
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import adam_vs_gd as ag
from adam_vs_gd import cli, show
from adam_vs_gd.engine import runner
from adam_vs_gd.engine.packing import make_plan
from adam_vs_gd.engine.plan import Chunk, Group, Limits, Plan
from adam_vs_gd.errors import FolderError
from adam_vs_gd.problem import Machine
from adam_vs_gd.problems.images.alexnet import AlexNet, convolve
from adam_vs_gd.problems.images.data import image_data, moments
from adam_vs_gd.problems.images.family import FAMILY
from adam_vs_gd.problems.images.lane import Hyper, Static
from adam_vs_gd.problems.images.network import MARGIN, crop_and_flip, image_problem, margins
from adam_vs_gd.problems.images.numbers import IMAGE_SETS
from adam_vs_gd.problems.images.sets import load_images
from adam_vs_gd.problems.images.ways import NETWORK, network_weights
from adam_vs_gd.problems.learning.batches import order_of
from adam_vs_gd.randomness import seed_key
from adam_vs_gd.spec.cells import Lane, cells
from adam_vs_gd.spec.sweep_spec import parse_override
from adam_vs_gd.store.folder import Folder
from adam_vs_gd.store.mixture import refuse_mixture
from adam_vs_gd.surroundings import numerics

TINY = {
    "name": "tiny", "seeds": 2, "steps": 9, "record": 3,
    "data": {"images": "textures", "n": 22, "test_size": 10, "split": "validation"},
    "model": {"name": "alexnet", "width": 2}, "train": {"batch_size": 4, "lam": 1e-3},
    "optimizers": {"adam": {"eta": [0.003, 1e30]}},
}  # fmt: skip


def tiny(**keys):
    return ag.SweepSpec(**(TINY | keys))


def by_hand(x, kernel, stride, pad):
    """[h', w', m] of an image [h, w, c] and a kernel [k, k, c, m]."""
    size = len(kernel)
    around = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = sliding_window_view(around, (size, size), axis=(0, 1))[::stride, ::stride]
    return np.einsum("hwcij,ijcm->hwm", windows, kernel)


def logits_by_hand(params, image):
    """AlexNet, layer by layer, in NumPy."""
    x = image
    for layer, (kernel, stride, pooled) in enumerate(
        [(11, 4, True), (5, 1, True), (3, 1, False), (3, 1, False), (3, 1, True)]
    ):
        here = params[f"conv{layer + 1}"]
        x = np.maximum(by_hand(x, here["kernel"], stride, kernel // 2) + here["bias"], 0)
        if pooled:
            x = x.reshape(len(x) // 2, 2, len(x) // 2, 2, -1).max((1, 3))
    return x.ravel() @ params["linear"]["kernel"] + params["linear"]["bias"]


def test_the_network_is_what_its_layers_say():
    with numerics("float64"):
        model = AlexNet(classes=7, width=3)
        images = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
        shapes = jax.eval_shape(model.init, jax.random.key(0), images)["params"]
        params = jax.tree.map(lambda a: 0.2 * np.random.default_rng(a.size).normal(size=a.shape), shapes)
        found = jax.jit(model.apply)({"params": params}, images)
    for image, logits in zip(images, found, strict=True):
        np.testing.assert_allclose(logits, logits_by_hand(params, image), rtol=1e-9, atol=1e-12)
    assert model.filters(params).shape == (11, 11, 3, 3)
    assert (
        network_weights(Static(images="textures", width=3, model="alexnet"))
        - sum(a.size for a in jax.tree.leaves(params))
        == 13 * 3
    ), "ten classes there, seven here"


@pytest.mark.parametrize(
    ("side", "size", "channels", "stride", "pad"),
    [(32, 11, 3, 4, 5), (4, 5, 3, 1, 2), (2, 3, 4, 1, 1), (9, 4, 2, 3, 1)],
)
def test_convolutions_and_their_gradients_are_xlas(side, size, channels, stride, pad):
    draw = np.random.default_rng(1).normal
    x, kernel = draw(size=(2, side, side, channels)), draw(size=(size, size, channels, 3))
    around = ((pad, pad), (pad, pad))

    def own(x, kernel):
        return convolve(x, kernel, (stride, stride), around)

    def xlas(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (stride, stride), around, dimension_numbers=layout)

    with numerics("float64"):
        both = [jax.jit(jax.value_and_grad(lambda *a, f=f: (f(*a) ** 3).sum(), (0, 1)))(x, kernel) for f in (own, xlas)]
        jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9), *both)


def test_crops_and_flips_are_windows_of_the_padded_image():
    images = np.random.default_rng(2).integers(1, 256, (300, 8, 8, 2), np.uint8)
    found = np.asarray(jax.jit(crop_and_flip)(seed_key(0), images))
    padded = np.pad(images, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    seen = set()
    for image, around in zip(found, padded, strict=True):
        matches = [
            (y, x, flip)
            for y in range(2 * MARGIN + 1)
            for x in range(2 * MARGIN + 1)
            for flip in (False, True)
            if (around[y : y + 8, x : x + 8][:, :: -1 if flip else 1] == image).all()
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert {y for y, _, _ in seen} == {x for _, x, _ in seen} == set(range(2 * MARGIN + 1))
    assert len(seen) > 100, "each image has its own"


def test_a_tie_and_what_is_not_finite_are_errors():
    logits = jnp.array([[1.0, 1.0, 0.0], [2.0, 1.0, 0.0], [jnp.nan, 1.0, 0.0], [0.0, 1.0, 2.0]])
    found = margins(logits, jnp.zeros(4, int))
    assert (found > 0).tolist() == [False, True, False, False]


def plain_logits(params, x):
    """AlexNet with flax' own convolutions and pooling."""
    for k, (size, stride) in enumerate([(11, 4), (5, 1), (3, 1), (3, 1), (3, 1)]):
        here = params[f"conv{k + 1}"]
        conv = nn.Conv(here["bias"].size, (size, size), strides=stride, padding=size // 2)
        x = nn.relu(conv.apply({"params": here}, x))
        if k in (0, 1, 4):
            x = nn.max_pool(x, (2, 2), (2, 2))
    return x.reshape(len(x), -1) @ params["linear"]["kernel"] + params["linear"]["bias"]


@jax.jit
@functools.partial(jax.value_and_grad, has_aux=True)
def plain_loss(params, x, y):
    logits = plain_logits(params, x)
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), logits.argmax(-1) != y


def reference(lane, data, draws):
    """What a lane is after all steps: flax' own convolutions, optax' own optimizers, a Python loop."""
    static, hyper = lane.static, lane.hyper
    own = {"adam": optax.adam(hyper.eta), "momentum": optax.sgd(hyper.eta, momentum=hyper.beta1)}
    optimizer = optax.chain(optax.add_decayed_weights(hyper.lam), own[static.optimizer])
    params = jax.tree.map(lambda w: hyper.sigma_0 * w, draws.weights)
    state, per_epoch = optimizer.init(params), static.n // static.batch_size
    standard = lambda pixels: (np.asarray(pixels, float) - data.mean) / data.deviation  # noqa: E731
    for t in range(static.steps):
        epoch, place = divmod(t, per_epoch)
        index = np.asarray(order_of(draws.batches, epoch, static.n))[place * static.batch_size :][: static.batch_size]
        key = jax.random.fold_in(jax.random.wrap_key_data(draws.augment, impl="threefry2x32"), t)
        pixels = jax.jit(crop_and_flip)(key, data.train[index])
        _, grads = plain_loss(params, standard(pixels), data.train_labels[index])
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)

    def whole(images, labels):
        """Loss, error and gradient of all images, a batch at a time, so that nothing else is compiled."""
        parts = [slice(k, k + static.batch_size) for k in range(0, len(images), static.batch_size)]
        found = [plain_loss(params, standard(images[part]), labels[part]) for part in parts]
        mean = lambda *a: np.mean(np.array(a), 0)  # noqa: E731
        return jax.tree.map(mean, *found)

    (value, wrong), grads = whole(data.train, data.train_labels)
    (_, mistaken), _ = whole(data.test, data.test_labels)
    full = jax.tree.map(lambda g, w: np.asarray(g + hyper.lam * w), grads, params)
    norm = np.sqrt(sum((g**2).sum() for g in jax.tree.leaves(full)))
    errors = {"train_error": wrong.mean(), "test_error": mistaken.mean()}
    return errors | {"params": params, "data_loss": value, "grad_norm_l2": norm}


@pytest.mark.parametrize(("kind", "eta", "beta1"), [("momentum", 0.02, 0.8)])
def test_a_lane_is_what_a_plain_loop_trains(kind, eta, beta1):
    spec = tiny(
        seeds=1, optimizers={kind: {"eta": eta, "beta1": beta1}}, model={"name": "alexnet", "width": 2, "sigma_0": 0.9},
        train={"batch_size": 11, "lam": 0.01, "precision": "float64"}, data=TINY["data"] | {"test_size": 22},
    )  # fmt: skip
    ((_, lane),) = cells(spec)
    with numerics("float64"):
        data = image_data(load_images("textures"), lane.static)
        problem = image_problem(lane.static, AlexNet(10, lane.static.width), lambda: data)

        @jax.jit
        def run(data):
            drawn = problem.draw(seed_key(0))
            draws = drawn, data
            state = problem.advance(lane.hyper, draws, problem.start(lane.hyper, draws), 0, lane.static.steps)
            return drawn, state, problem.measure(lane.hyper, draws, state) | problem.test(lane.hyper, draws, state)

        drawn, state, measured = run(data)
        wanted = reference(lane, data, drawn)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-9), state.params, wanted["params"])
    for name in ("data_loss", "grad_norm_l2", "train_error", "test_error"):
        np.testing.assert_allclose(measured[name], wanted[name], rtol=1e-6, err_msg=name)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(results, folder) of two learning rates, one of which diverges."""
    folder = tmp_path_factory.mktemp("network") / "sweep"
    return ag.run_sweep(tiny(), folder, quiet=True), folder


def test_a_sweep_of_a_network_is_a_dataset_like_any_other(swept):
    results, folder = swept
    assert dict(results.status.sizes) == {"optimizer": 1, "eta": 2, "seed": 2}
    assert results.filters.dims == ("optimizer", "eta", "seed", "filter_y", "filter_x", "channel", "filter")
    assert results.filters.shape[3:] == (11, 11, 3, 2)
    assert results.high_frequency_path.sizes["record"] == 4
    assert {"feature_learning", "best_step", "s", "sigma_p", "class"}.isdisjoint({*results.variables})
    assert (results["n"].item(), results.test_size.item(), results.batch_size.item()) == (22, 10, 4)
    assert results.attrs["image_set"].startswith("textures")
    assert results.attrs["image_digest"] == load_images("textures").digest
    text = show.summary(results).plain
    assert "textures images, validation split" in text
    assert "high frequency" in text
    xr_again = ag.load_results(folder)
    assert xr_again.identical(results)


def test_a_network_that_diverges_is_a_result_and_no_error_0(swept):
    results, _ = swept
    lost = results.sel(eta=1e30)
    assert (lost.status == ag.Status.DIVERGED).all()
    for name in ("test_error", "train_error", "high_frequency", "total_variation", "filter_norm"):
        assert lost[name].isnull().all(), name
    kept = results.sel(eta=0.003)
    assert (kept.status > ag.Status.DIVERGED).all()
    assert np.isfinite(kept.filters).all()
    np.testing.assert_allclose(10 * kept.test_error, np.rint(10 * kept.test_error), atol=1e-5)


def test_seeds_differ_and_lanes_of_a_seed_start_alike(swept):
    results, _ = swept
    first = results.high_frequency_path.isel(record=0, optimizer=0)
    assert (first.sel(eta=0.003) == first.sel(eta=1e30)).all()
    assert first.isel(eta=0, seed=0) != first.isel(eta=0, seed=1)


def test_a_folder_holds_lanes_of_one_set_of_images(swept):
    _, folder = swept
    other = tiny(data=TINY["data"] | {"images": "noise:100"})
    with pytest.raises(FolderError, match=r'data\.images: "textures" there, "noise" here'):
        Folder(folder).check(other)
    moved = tiny(data=TINY["data"] | {"images": "textures"}, seeds=3)
    Folder(folder).check(moved)


def rows_of(chosen, **hooks):
    """{lane: rows} of lanes in chunks of one, as on a CPU's device."""
    spec = tiny(seeds=3, optimizers={"adam": {"eta": [0.003, 0.001]}})
    everything = [lane for _, lane in cells(spec)]
    mine, found = [everything[k] for k in chosen], {}
    chunks = tuple(Chunk((lane,)) for lane in mine)
    group = Group(FAMILY, mine[0].static, None, NETWORK, mine[0].record, 1, 1, 1, chunks)

    def keep(group, chunk, rows, seconds):
        found.update({lane: {name: v[i] for name, v in rows.items()} for i, lane in enumerate(chunk.lanes)})

    make = FAMILY.make(spec, {}).batch
    runner.run_plan(Plan((group,)), jax.devices("cpu"), lambda _: 2**40, runner.Hooks(keep=keep, **hooks), make)
    return found


def test_neither_a_cut_nor_what_ran_before_changes_a_bit(swept):
    """9 steps, 5 an epoch: it goes on in the middle of the second."""
    kept = []
    whole = rows_of([0, 3], between=lambda snapshot: kept.append(snapshot()))
    lane = next(iter(whole))
    cut = next(snapshot for snapshot in kept if snapshot.step == 6 and snapshot.lanes == (lane.digest,))
    for again in (rows_of([0], find=lambda chunk: cut), rows_of([5, 3, 0])):
        for name, values in whole[lane].items():
            assert again[lane][name].tobytes() == values.tobytes(), name
    results, _ = swept
    same = results.sel(eta=0.003, seed=0, optimizer="adam")
    for name in ("test_error", "filters", "high_frequency_path", "weight_norm"):
        np.testing.assert_array_equal(same[name].values, whole[lane][name], err_msg="two devices, or one")


def test_plans_of_networks_know_what_they_take():
    static = Static(model="alexnet", images="cifar10", n=50_000, width=64, batch_size=128)
    lane = Lane(static, Hyper(0.0, 1e-4, 1e-3), 0, 0)
    assert FAMILY.way(static, lane.hyper, Machine()) == NETWORK
    assert FAMILY.cost(static, None, NETWORK).lane > 5 * 4 * network_weights(static)
    seeds = [Lane(static, lane.hyper, seed, 0) for seed in range(8)]
    (on_cpu,) = make_plan(FAMILY, seeds, Limits(2, 2**34, 2**40, 32, shared=True)).groups
    assert (on_cpu.width, len(on_cpu.chunks)) == (2, 4), "a lane a core, whose patches fill its cache"
    (on_gpu,) = make_plan(FAMILY, seeds, Limits(1, 2**36, 2**32, 512)).groups
    assert on_gpu.width == 8
    assert on_gpu.bytes > 60_000 * 3072


def test_sizes_are_those_of_the_sets():
    for name in ("textures", "noise"):
        images, sizes = load_images(name), IMAGE_SETS[name]
        assert (len(images.train), len(images.test), len(images.classes), images.train.shape[-1]) == sizes


MISTAKES = {
    "data.s": ({"data": {"s": 3}}, "means nothing to the alexnet model"),
    "model.q": ({"model": {"name": "alexnet", "q": 3}}, "means nothing to the alexnet model"),
    "data.images": ({"data": {"images": "cifar"}}, "did you mean cifar10"),
    "data.split": ({"data": {"split": "valid"}}, "did you mean validation"),
    "data.n": ({"data": {"n": 1622}}, "must be at most 1620"),
    "data.test_size": ({"data": {"test_size": 542}}, "must be at most 540"),
    "data.n + data.test_size": (
        {"data": {"split": "validation", "n": 1200, "test_size": 422}},
        r"1200 \+ 422: must be at most 1620",
    ),
    "train.batch_size": ({"data": {"n": 10}, "train": {"batch_size": 11}}, r"must be in 1 .. n = 10"),
}


@pytest.mark.parametrize("key", MISTAKES)
def test_mistakes_in_a_spec_are_named(key):
    keys, message = MISTAKES[key]
    given = {"model": {"name": "alexnet"}, "optimizers": {"adam": {}}} | keys
    with pytest.raises(ag.SpecError, match=message) as error:
        ag.SweepSpec(**given)
    assert f"{key} = " in str(error.value)


def test_images_mean_nothing_to_models_of_patches():
    with pytest.raises(ag.SpecError, match=r"data.images = .*means nothing to the two_layer_cnn model"):
        ag.SweepSpec(data={"images": "textures"}, optimizers={"adam": {}})


def test_defaults_are_all_images_and_the_usual_size():
    spec = ag.SweepSpec(model={"name": "alexnet"}, optimizers={"adam": {}})
    assert (spec.data["n"], spec.data["test_size"], spec.model["width"], spec.train["batch_size"]) == (
        1620,
        540,
        64,
        128,
    )
    held_out = ag.SweepSpec(data={"split": "validation"}, model={"name": "alexnet"}, optimizers={"adam": {}})
    assert (held_out.data["n"], held_out.data["test_size"]) == (1296, 324)
    again = ag.SweepSpec(**held_out.to_dict())
    assert again == held_out


def test_moments_are_exact_however_many_images_there_are():
    images = np.random.default_rng(4).integers(0, 256, (20_000, 32, 32, 2), np.uint8)
    images[..., 1] //= 3
    mean, deviation = moments(images)
    np.testing.assert_allclose(mean, images.mean((0, 1, 2), dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(deviation, images.std((0, 1, 2), dtype=np.float64), rtol=1e-10)
    np.testing.assert_array_equal(moments(np.full((2, 4, 4, 1), 7, np.uint8))[1], [1.0])


def test_images_are_never_mixed_even_where_platforms_may_be(tmp_path):
    there = [{"platform": "gpu", "image_digest": "a"}]
    refuse_mixture(tmp_path, there, {"platform": "cpu", "image_digest": "a"}, allowed=True)
    with pytest.raises(FolderError, match="platform = gpu, and this run has platform = cpu"):
        refuse_mixture(tmp_path, there, {"platform": "cpu", "image_digest": "a"}, allowed=False)
    with pytest.raises(FolderError, match=r"on other images \(SHA-256 a; here it is b\)"):
        refuse_mixture(tmp_path, there, {"platform": "gpu", "image_digest": "b"}, allowed=True, never=FAMILY.unmixed)


def test_the_images_that_are_left_are_what_is_left_out():
    def sizes(**data):
        spec = ag.SweepSpec(data=data, model={"name": "alexnet"}, train={"batch_size": 2}, optimizers={"adam": {}})
        return spec.data["n"], spec.data["test_size"]

    assert sizes(images="noise:1000") == (1000, 200)
    assert sizes(split="validation", test_size=540) == (1080, 540)
    assert sizes(split="validation", n=1500) == (1500, 120)
    with pytest.raises(ag.SpecError, match="must be at most 1000, all that noise:1000 has"):
        sizes(images="noise:1000", n=1002)


def test_training_images_are_never_tested_on():
    static = Static(model="alexnet", images="textures", split="validation", n=1080, test_size=540, width=2)
    images = load_images("textures")
    data = image_data(images, static)
    assert not {image.tobytes() for image in data.train} & {image.tobytes() for image in data.test if image.std() > 0}
    np.testing.assert_array_equal(data.test, images.train[1080:])
    with pytest.raises(ag.DataError, match="too few for data"):
        image_data(images, replace(static, n=1082))


def test_what_a_sweep_cannot_read_is_told_before_a_plan_is_made(tmp_path, capsys):
    path = tmp_path / "alexnet.toml"
    path.write_text(f'[data]\nimages = "cifar10:{tmp_path / "absent"}"\n[model]\nname = "alexnet"\n[optimizers.adam]\n')
    for options in ([], ["--dry-run"]):
        assert cli.main(["sweep", str(path), "--out", str(tmp_path / "out"), "--quiet", *options]) == 2
        assert str(tmp_path / "absent") in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert parse_override(f"data.images=cifar10:{tmp_path}") == ("data.images", f"cifar10:{tmp_path}")
