"""The benchmark: contenders do the same work, and the figures in the README are those of its file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from adam_vs_gd.bench import bench, engine, plain_jax
from adam_vs_gd.bench.work import table1_work

ROOT = Path(__file__).parent.parent
FIGURES = json.loads((ROOT / "docs" / "bench.json").read_text())


@pytest.mark.parametrize("optimizer", ["adam", "gd"])
def test_the_engine_and_a_plain_loop_end_at_the_same_weights(optimizer):
    plain, _ = plain_jax.train(*table1_work(4, 2), optimizer, 20)
    found, chosen = engine.train(optimizer, 4, 2, 20, "fast")
    assert chosen["method"] != "plain"
    assert bench.disagreement({"engine": found, "plain": plain}) <= bench.AGREEMENT


def test_weights_that_disagree_are_an_error():
    with pytest.raises(RuntimeError, match=r"a and b end at weights 1.0e\+00 apart"):
        bench.disagreement({"a": np.ones(3), "b": np.zeros(3)})
    with pytest.raises(RuntimeError, match="nan apart"):
        bench.disagreement({"a": np.ones(3), "b": np.full(3, np.nan)})


def test_a_file_for_which_there_is_no_folder_is_refused_before_anything_is_timed(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        bench.run(tmp_path / "none" / "bench.json", quick=True, say=print)


def test_documents_say_what_the_file_says():
    assert bench.table(FIGURES) in (ROOT / "docs" / "performance.md").read_text()
    rows = re.findall(r"^\| (.+) \| ([\d,]+) \| ([\d,]+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    names = {"this package": "this engine, fast", "PyTorch eager": "PyTorch eager",
             "the same without its native kernel": "this engine, fast, without the native kernel",
             "plain vmapped JAX": "plain vmapped JAX", "torch.func vmap": "torch.func vmap"}  # fmt: skip
    assert {name for name, *_ in rows} == set(names)
    for name, *speeds in rows:
        for optimizer, speed in zip(("adam", "gd"), speeds, strict=True):
            measured = FIGURES["optimizers"][optimizer]["contenders"][names[name]]["speed"]
            assert abs(float(speed.replace(",", "")) / measured - 1) < 0.03, (name, optimizer)
