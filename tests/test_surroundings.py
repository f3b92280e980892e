"""What is set around a sweep does not change it: settings of JAX, flags of XLA, the environment, the processor."""

import contextlib
import ctypes
import ctypes.util
import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pytest
import small
from patience import HUNG

import adam_vs_gd as ag
from adam_vs_gd import cli, surroundings
from adam_vs_gd.store import mixture

OTHERWISE = {
    "jax_threefry_partitionable": False, "jax_default_matmul_precision": "bfloat16",
    "jax_numpy_dtype_promotion": "strict", "jax_numpy_rank_promotion": "raise", "jax_transfer_guard": "disallow",
    "jax_debug_nans": True, "jax_debug_infs": True, "jax_disable_jit": True, "jax_no_tracing": True,
    "jax_no_execution": True, "jax_debug_key_reuse": True, "jax_check_tracer_leaks": True, "jax_enable_checks": True,
}  # fmt: skip
"""The settings that `numerics` sets, at values that would change a result, or end a sweep."""
WITH_THOSE = {
    "jax_random_seed_offset": 7, "jax_enable_x64": True, "jax_transfer_guard_host_to_device": "disallow",
    "jax_transfer_guard_device_to_device": "disallow", "jax_transfer_guard_device_to_host": "disallow",
}  # fmt: skip
"""Settings that are fixed together with those, or by how keys are made."""
WRONG = {
    "jax_error_checking_behavior_nan": "raise", "jax_error_checking_behavior_divide": "raise",
    "jax_error_checking_behavior_oob": "raise", "jax_disable_most_optimizations": True,
    "jax_compiler_enable_remat_pass": False, "jax_optimization_level": "O1", "jax_exec_time_optimization_effort": 1.0,
    "jax_memory_fitting_level": "O0", "jax_memory_fitting_effort": 1.0, "jax_enable_pgle": True,
    "jax_xla_profile_version": 3, "jax_accurate_erf_inv": True, "jax_use_hlo_logistic_lowering": True,
}  # fmt: skip
"""The settings that are refused, at values that are."""
HARMLESS = {
    "check_vma": True, "eager_constant_folding": True, "jax2tf_associative_scan_reductions": True,
    "jax2tf_default_native_serialization": False, "jax_allow_f16_reductions": False,
    "jax_array_garbage_collection_guard": "log", "jax_auto_pcast": False, "jax_bcoo_cusparse_lowering": True,
    "jax_captured_constants_report_frames": 1, "jax_captured_constants_warn_bytes": -1,
    "jax_check_static_indices": True,
    "jax_compilation_cache_check_contents": True,
    "jax_compilation_cache_include_metadata_in_key": True, "jax_compilation_cache_max_size": 10**9,
    "jax_compiler_detailed_logging_min_ops": 11, "jax_cpu_collectives_implementation": "gloo",
    "jax_cpu_enable_async_dispatch": False, "jax_custom_jvp3": True, "jax_custom_vjp3": True,
    "jax_default_prng_impl": "rbg",
    "jax_disable_bwd_checks": True, "jax_disable_vmap_shmap_error": True, "jax_disallow_mesh_context_manager": True,
    "jax_distributed_debug": True, "jax_embedded_constants_max_bytes": 10**6,
    "jax_enable_compilation_cache": False, "jax_enable_custom_prng": True, "jax_enable_preemption_service": False,
    "jax_enable_recoverability": True, "jax_experimental_unsafe_xla_runtime_errors": True,
    "jax_explain_cache_misses": True, "jax_explicit_x64_dtypes": "error",
    "jax_export_ignore_forward_compatibility": True, "jax_force_dcn_cross_host_transfers": True,
    "jax_high_dynamic_range_gumbel": True, "jax_hlo_source_file_canonicalization_regex": "x",
    "jax_include_full_tracebacks_in_locations": False, "jax_legacy_prng_key": "error",
    "jax_log_checkpoint_residuals": True, "jax_log_compiles": True, "jax_mosaic_allow_hlo": True,
    "jax_mosaic_unzip_debug_locations": False, "jax_mutable_array_checks": False,
    "jax_pallas_enable_debug_checks": True, "jax_pallas_poison_buffers": True, "jax_pallas_use_mosaic_gpu": False,
    "jax_pallas_verbose_errors": True, "jax_persistent_cache_min_compile_time_secs": 2.0,
    "jax_persistent_cache_min_entry_size_bytes": 1, "jax_pgle_aggregation_percentile": 91,
    "jax_pgle_profiling_runs": 4, "jax_pprint_use_color": False, "jax_ragged_dot_use_gpu_pallas_triton_lowering": True,
    "jax_ragged_dot_use_ragged_dot_instruction": False, "jax_raise_on_ppermute_sort_diff": False,
    "jax_raise_persistent_cache_errors": True, "jax_refs_to_pins": True, "jax_remat3": True,
    "jax_remat_barrier_no_cotangents": True, "jax_remove_custom_partitioning_ptr_from_cache_key": True,
    "jax_remove_size_one_mesh_axis_from_type": True, "jax_scan3": True, "jax_send_traceback_to_runtime": "on",
    "jax_share_binary_between_hosts": True, "jax_softmax_custom_jvp": True, "jax_source_url_schema": "x",
    "jax_thread_guard": True, "jax_threefry_gpu_kernel_lowering": True, "jax_traceback_filtering": "off",
    "jax_traceback_in_locations_limit": 101, "jax_tracer_error_num_traceback_frames": 6,
    "jax_use_cpp_shard_args": True, "jax_use_direct_linearize": False, "jax_use_emit_pipeline_primitive": True,
    "jax_use_magma": "off", "jax_use_rgv3": False, "jax_use_shardy_partitioner": False,
    "jax_use_simplified_jaxpr_constants": True,
}  # fmt: skip
"""Settings that change no bit, each at another value than JAX's: all of them together are tried below."""
ANOTHER_TRACER = {"jax_scan3", "jax_remat3", "jax_custom_vjp3", "jax_custom_jvp3", "jax_use_rgv3"}
"""Those of them that JAX itself does not bear beside all others."""
ELSEWHERE = frozenset(
    {
        # where programs run: recorded as the platform and the device
        "jax_platforms", "jax_platform_name", "jax_xla_backend", "jax_backend_target", "jax_default_device",
        "jax_cuda_visible_devices", "jax_rocm_visible_devices", "jax_oneapi_visible_devices", "jax_num_cpu_devices",
        "jax_pjrt_client_create_options", "jax_mock_gpu_topology", "mock_num_gpu_processes",
        "jax_sort_devices_by_process_index",
        # what is written down, and where; files of exported programs, of which there are none here
        "jax_compilation_cache_dir", "jax_persistent_cache_enable_xla_caches", "jax_compilation_cache_expect_pgle",
        "jax_dump_ir_to", "jax_dump_ir_modes", "jax_include_debug_info_in_dumps", "jax_logging_level",
        "jax_debug_log_modules", "jax_debug_leaked_clients_on_clear_backends",
        "jax_serialization_version", "jax_export_calling_convention_version",
        "jax_export_deserialize_expired_versions",
        # how many hosts talk to each other: an engine is one
        "jax_check_proxy_envs", "jax_cpu_get_global_topology_timeout_minutes",
        "jax_cpu_get_local_topology_timeout_minutes", "jax_cross_host_transfer_socket_address",
        "jax_cross_host_transfer_timeout_seconds", "jax_cross_host_transfer_transfer_size",
        "jax_cross_host_transport_addresses", "jax_share_binary_between_hosts_timeout_ms",
        "jax_distributed_verify_secure_credentials", "jax_mtls_ca_file", "jax_mtls_cert_file", "jax_mtls_key_file",
        "jax_mtls_peer_uri_prefix", "jax_pallas_auto_assign_collective_ids",
        "jax_pallas_auto_assign_collective_ids_limit",
    }
)  # fmt: skip
"""Settings that do not reach a program."""
NEWEST = (0, 12)  # version of JAX whose settings have been gone through

SWEEP = """
name = "tried"
seeds = 2
steps = 40
record = 4
[data]
n = 8
d = 40
s = 20
alpha = [0.1, 0.5]
sigma_p = 0.5
test_size = 50
[model]
width = 3
sigma_0 = 0.1
[optimizers]
adam = { eta = 1e-2 }
gd = { eta = [0.3, 1e30] }
momentum = { eta = [0.1, 0.2] }
"""  # by the kernel, in the span, and in XLA; lanes diverge
BATCHES = """
import json, sys
import jax, numpy as np
import adam_vs_gd as ag
for name, value in json.loads(sys.argv[1]).items():
    if name in jax.config.values:
        jax.config.update(name, value)
keys = ag.load_spec(sys.argv[2]).to_dict()
one = ag.SweepSpec(**keys | {"optimizers": {"adam": {"eta": 1e-2}}})
found = ag.run_sweep(one, quiet=True, compile_cache=False)
other = ag.SweepSpec(**keys | {"train": {"batch_size": 4}, "optimizers": {"momentum": {"eta": 0.1}}})
batched = ag.run_sweep(other, path="reference", quiet=True, compile_cache=False)
arrays = {f"{k} {name}": v.values for k, one in enumerate((found, batched)) for name, v in one.data_vars.items()}
np.savez(sys.argv[3], **arrays)
"""


def same_bits(found, want):
    """Whether two sets of named arrays are the same, NaNs included."""
    assert set(found) == set(want)
    for name, array in want.items():
        assert np.asarray(found[name]).tobytes() == np.asarray(array).tobytes(), name


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "tried.toml"
    path.write_text(SWEEP)
    return path


@pytest.fixture(scope="module")
def plain(spec_file):
    """The sweep in this process, in which nothing is set."""
    return ag.run_sweep(ag.load_spec(spec_file), quiet=True)


def test_every_setting_of_jax_is_fixed_or_refused_or_harmless():
    classes = [{*OTHERWISE, *WITH_THOSE}, set(WRONG), set(HARMLESS), ELSEWHERE]
    assert sum(map(len, classes)) == len(set().union(*classes))
    assert set(OTHERWISE) == {*surroundings.ARITHMETIC, *surroundings.DEBUGGING}
    assert set(WRONG) == set(surroundings.REFUSED)
    unknown = sorted(set(jax.config.values) - set().union(*classes))
    if jax.__version_info__[:2] > NEWEST:
        pytest.skip(f"this JAX is newer than the table; not gone through: {', '.join(unknown) or 'nothing'}")
    assert not unknown


def test_settings_called_harmless_change_no_bit(spec_file, tmp_path):
    """Each has been tried alone too, once; together they have to do the same."""
    tracing = {name: value for name, value in HARMLESS.items() if name in ANOTHER_TRACER}
    cases = {"none": {}, "tracing": tracing, "others": {k: v for k, v in HARMLESS.items() if k not in tracing}}
    found = {}
    for name, settings in cases.items():
        path = tmp_path / f"{name}.npz"
        arguments = [sys.executable, "-c", BATCHES, json.dumps(settings), spec_file, path]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=HUNG)
        assert done.returncode == 0, f"{name}: {done.stderr[-3000:]}"
        found[name] = dict(np.load(path))
    same_bits(found["tracing"], found["none"])
    same_bits(found["others"], found["none"])


def test_a_sweep_in_a_hostile_environment_is_the_same_bits(spec_file, plain, tmp_path):
    """Fixed settings, flags of XLA that are, and what other libraries listen to, all as environment variables."""
    settings = {name.upper(): str(value) for name, value in (OTHERWISE | WITH_THOSE).items()}
    flags = {
        "xla_cpu_enable_fast_math": "true", "xla_cpu_fast_math_honor_nans": "false",
        "xla_cpu_fast_math_honor_infs": "false", "xla_backend_optimization_level": "0",
        "xla_allow_excess_precision": "false", "xla_llvm_disable_expensive_passes": "true",
        "xla_dump_hlo_as_text": "false",
    }  # fmt: skip
    others = {
        "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MKL_CBWR": "COMPATIBLE", "OPENBLAS_CORETYPE": "Prescott",
        "ONEDNN_DEFAULT_FPMATH_MODE": "BF16", "NVIDIA_TF32_OVERRIDE": "1", "TF_ENABLE_ONEDNN_OPTS": "1",
        "MPLBACKEND": "module://nobody.has.this", "MATPLOTLIBRC": str(tmp_path), "PYTHONHASHSEED": "5",
        "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Kathmandu", "MALLOC_PERTURB_": "165",
    }  # fmt: skip
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: nonsense\n")
    text = " ".join(f"--{name}={value}" for name, value in flags.items())
    command = [sys.executable, "-m", "adam_vs_gd", "sweep", spec_file, "--out", tmp_path / "out", "--no-compile-cache"]
    alike = {"XLA_FLAGS": text, "JAX_NUM_CPU_DEVICES": str(len(jax.devices("cpu")))}
    environment = os.environ | settings | others | alike
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = ag.load_results(tmp_path / "out")
    assert found.attrs["kernel"] == plain.attrs["kernel"]
    assert (found.status.sel(eta_index=1, optimizer="gd") == ag.Status.DIVERGED).all()
    same_bits(
        {name: v.values for name, v in found.data_vars.items()}, {n: v.values for n, v in plain.data_vars.items()}
    )
    assert "settings" not in found.attrs, "what is fixed, or harmless, is not a difference"


@pytest.mark.parametrize("name", sorted(WRONG))
def test_settings_that_are_refused_are_named_before_anything_is_done(name, spec_file, tmp_path):
    if name not in jax.config.values:
        pytest.skip(f"this JAX has no {name}")
    before = jax.config.values[name]
    try:
        jax.config.update(name, WRONG[name])
        for path in (tmp_path / "out", None):
            with pytest.raises(ag.MachineError, match=f"{name} = .*: must be .*; unset {name.upper()}, or call"):
                ag.run_sweep(ag.load_spec(spec_file), path, quiet=True)
    finally:
        jax.config.update(name, before)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "word", "says"),
    [
        ("ADAM_VS_GD_SIMD", "avx-2", "ADAM_VS_GD_SIMD = avx-2: must be one of avx512, avx2, baseline; or unset it"),
        ("ADAM_VS_GD_NATIVE", "maybe", "ADAM_VS_GD_NATIVE = maybe: must be one of on, 1, off, 0"),
        ("ADAM_VS_GD_NATVE", "off", "ADAM_VS_GD_NATVE = off: there is no such variable"),
    ],
)
def test_a_variable_of_ours_that_is_not_understood_is_refused(name, word, says, monkeypatch, tmp_path):
    monkeypatch.setenv(name, word)
    with pytest.raises(ag.MachineError, match=says):
        ag.run_sweep(small.spec(), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv(name, "")
    if name in surroundings.OURS:
        surroundings.refuse_settings()


@pytest.mark.parametrize("variable", ["JAX_ENABLE_X64=maybe", "JAX_NUM_CPU_DEVICES=many"])
def test_a_variable_that_jax_does_not_understand_is_no_traceback(variable, spec_file, tmp_path):
    name, _, word = variable.partition("=")
    command = [sys.executable, "-m", "adam_vs_gd", "sweep", spec_file, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, env=os.environ | {name: word})
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("adam-vs-gd: JAX cannot be loaded: ")
    assert word in last
    assert not (tmp_path / "out").exists()


@contextlib.contextmanager
def denormals_flushed():
    """This thread with the bits of MXCSR set that take denormals for zeros, and make zeros of them."""
    library, environment = ctypes.CDLL(ctypes.util.find_library("m")), ctypes.create_string_buffer(64)
    word = ctypes.c_uint32.from_buffer(environment, 28)  # of the fenv_t of x86-64
    library.fegetenv(environment)
    before = word.value
    word.value |= 0x8040
    library.fesetenv(environment)
    try:
        yield
    finally:
        word.value = before
        library.fesetenv(environment)


@pytest.mark.skipif(
    not (sys.platform == "linux" and platform.machine() == "x86_64"), reason="knows only the modes of x86-64 on Linux"
)
def test_a_thread_that_flushes_denormals_trains_the_same_bits(spec_file, plain):
    """As a library compiled with -ffast-math leaves it behind, in the thread that has loaded it."""
    spec = ag.load_spec(spec_file)

    def train():
        with denormals_flushed():
            tiny = float(np.float32(1e-38) * np.float32(0.1))
            return tiny, ag.run_sweep(spec, quiet=True)

    with ThreadPoolExecutor(1) as pool:
        tiny, found = pool.submit(train).result()
    assert tiny == 0, "denormals were not flushed"
    same_bits(
        {name: v.values for name, v in found.data_vars.items()}, {n: v.values for n, v in plain.data_vars.items()}
    )


def test_a_command_called_from_python_leaves_the_callers_backend_alone(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "svg")
    before = dict.get(mpl.rcParams, "backend")  # without having it chosen
    picture = ag.plot.suitable(plain)
    ag.plot.save(picture, tmp_path / "picture.png")
    assert cli.main(["show", str(tmp_path / "nothing")]) == cli.BAD_INPUT
    assert os.environ["MPLBACKEND"] == "svg"
    assert dict.get(mpl.rcParams, "backend") == before


SETS = {
    "kernel": ({"ADAM_VS_GD_SIMD": "baseline"}, "set ADAM_VS_GD_SIMD="),
    "settings": ({"XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}, "set the environment as it was"),
}


@pytest.mark.parametrize("key", SETS)
def test_what_rounds_differently_is_recorded_and_not_mixed(key, tmp_path):
    """A folder that a process with other settings has begun is gone on with only if that is asked for."""
    small.need_kernel()
    environment, fix = SETS[key]
    spec_file = tmp_path / "spec.toml"
    spec_file.write_text(SWEEP.replace("seeds = 2", "seeds = 1").partition("gd =")[0])
    command = [sys.executable, "-m", "adam_vs_gd", "sweep", spec_file, "--out", tmp_path / "out", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, env=os.environ | environment)
    assert done.returncode == 0, done.stderr[-3000:]
    there = ag.load_results(tmp_path / "out")
    spec = ag.load_spec(spec_file, {"seeds": 2})
    if key == "kernel" and there.attrs["kernel"] == ag.run_sweep(small.spec(steps=2, record=0), quiet=True).attrs[key]:
        pytest.skip("this processor has only one instruction set")
    with pytest.raises(ag.FolderError, match=f"with {key} = .*, and this run has {key} = .*{fix}.*--allow-mixed"):
        ag.run_sweep(spec, tmp_path / "out", quiet=True)
    ag.run_sweep(ag.load_spec(spec_file), tmp_path / "out", quiet=True)  # nothing to compute, nothing to mix
    both = ag.run_sweep(spec, tmp_path / "out", quiet=True, allow_mixed=True)
    assert there.attrs[key] in both.attrs[key]
    assert (both.status > 0).all()


def test_a_folder_begun_without_settings_is_not_gone_on_with_in_others(tmp_path):
    there, here = {"platform": "cpu"}, {"platform": "cpu", "settings": "--xla_cpu_max_isa=AVX2"}
    mixture.refuse_mixture(tmp_path, [there], there, allowed=False)
    with pytest.raises(ag.FolderError, match="with settings = none, and this run has settings = --xla_cpu_max_isa"):
        mixture.refuse_mixture(tmp_path, [there], here, allowed=False)


def test_flags_of_xla_are_read_as_xla_reads_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XLA_FLAGS", "--xla_a=1 --xla_force_host_platform_device_count=2 --xla_a=2 --xla_dump_to=/x")
    assert surroundings.recorded("cpu") == "--xla_a=2"
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    assert surroundings.recorded("gpu") == "--xla_a=2 NVIDIA_TF32_OVERRIDE=1"
    file = tmp_path / "flags"
    file.write_text("--xla_b=1\n--xla_cpu_enable_fast_math=true\n")
    monkeypatch.setenv("XLA_FLAGS", str(file))
    assert surroundings.recorded("cpu") == "--xla_b=1"
    monkeypatch.delenv("XLA_FLAGS")
    assert surroundings.recorded("cpu") == ""


@pytest.mark.parametrize("seed", [0, 1, 7, 2**31, 2**32 - 1])
def test_a_seeds_key_is_threefrys_whatever_offset_is_set(seed):
    def key(seed):
        return jax.random.key_data(ag.seed_key(seed)).tolist()

    with jax.enable_x64(True):
        want = jax.random.key_data(jax.random.key(seed, impl="threefry2x32")).tolist()
    before = jax.config.values["jax_random_seed_offset"]
    try:
        jax.config.update("jax_random_seed_offset", 7)
        assert key(seed) == key(np.uint32(seed)) == want
        assert jax.random.key_data(jax.jit(ag.seed_key)(np.uint32(seed))).tolist() == want
    finally:
        jax.config.update("jax_random_seed_offset", before)


@pytest.mark.parametrize("seed", [0.5, [1, 2], np.arange(2)])
def test_what_is_no_seed_is_told_so(seed):
    with pytest.raises(TypeError, match="must be one integer"):
        ag.seed_key(seed)


def is_the_same_program_strictly(f, *arguments):
    """Whether a function becomes the same program where JAX promotes neither types nor ranks."""
    want = jax.jit(f).lower(*arguments).as_text()
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        return jax.jit(f).lower(*arguments).as_text() == want


CASES = [
    {"optimizer": "adam"}, {"optimizer": "gd"}, {"optimizer": "momentum", "batch_size": 4},
    {"optimizer": "signgd", "model": "linear"}, {"optimizer": "adam_paper", "supports": "disjoint", "s": 3},
]  # fmt: skip


@pytest.mark.parametrize("keys", CASES, ids=str)
def test_a_training_works_under_strict_promotion(keys):
    sizes = {"n": 8, "d": 40, "s": 5, "width": 3, "steps": 12, "test_size": 20, "record": 2} | keys
    f = lambda seed, alpha: ag.train(seed, alpha=alpha, **sizes)  # noqa: E731
    assert is_the_same_program_strictly(f, np.uint32(3), np.float32(0.3))


@pytest.mark.parametrize("model", [ag.TwoLayerCNN(width=3, q=3), ag.Linear()], ids=["cnn", "linear"])
@pytest.mark.parametrize("optimizer", ["adam", "gd", "signgd", "adam_paper", "momentum"])
def test_the_pieces_work_under_strict_promotion(model, optimizer):
    """In the caller's own jit, every number traced, and the optimizer also in a step of the caller's own."""

    def pieces(key, numbers):
        data = ag.sample_dataset(key, n=8, d=40, s=5, sigma_p=0.2, alpha=numbers["eta"])
        params = model.init(key, data.x)["params"]
        mine = ag.make_optimizer(optimizer, **numbers)
        params, state, info = ag.make_train_step(model, mine)(params, mine.init(params), data)
        updates, state = mine.update(info.grads, state, params)
        return ag.measure(model, params, data, lam=numbers["lam"]) | {"update": updates["w"]}

    numbers = {key: np.float32(v) for key, v in {"eta": 1e-2, "lam": 1e-3, "beta1": 0.9, "beta2": 0.99}.items()}
    assert is_the_same_program_strictly(pieces, jax.random.key(0), numbers)


PARALLEL = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import adam_vs_gd as ag

assert len(jax.devices()) == 2
def lane(seed, alpha):
    return ag.train(seed, alpha=alpha, n=8, d=40, s=5, width=3, steps=12, batch_size=4, test_size=20).final

def compare(found, want):
    for name, value in want.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6, err_msg=name)

seeds, alphas = jnp.arange(4), jnp.linspace(0.0, 0.6, 4)
lanes, one_seed = jax.vmap(lane), jax.vmap(lambda alpha: lane(3, alpha))
want, want_one = jax.jit(lanes)(seeds, alphas), jax.jit(one_seed)(alphas)
for kind in (AxisType.Auto, AxisType.Explicit):
    mesh = jax.make_mesh((2,), ("lanes",), axis_types=(kind,))
    spread = jax.device_put((seeds, alphas), NamedSharding(mesh, P("lanes")))
    with jax.set_mesh(mesh):
        compare(jax.jit(lanes)(*spread), want)  # inputs sharded over a mesh
mapped = jax.shard_map(lanes, mesh=mesh, in_specs=(P("lanes"), P("lanes")), out_specs=P("lanes"))
compare(jax.jit(mapped)(*spread), want)  # a mapped seed
mapped = jax.shard_map(one_seed, mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes"))
compare(jax.jit(mapped)(spread[1]), want_one)  # one seed on all devices
"""


def test_a_training_works_in_somebody_elses_parallel_program():
    """`jax.shard_map`, and `jax.jit` of inputs sharded over a mesh: on two devices of a CPU, either kind of mesh."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PARALLEL], capture_output=True, text=True, timeout=HUNG, env=environment,
        cwd=Path(__file__).parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
