"""The real dispatch with simulated workers: nothing is lost, whatever befalls them, and time is what theory says.

That each lane is delivered once or named as given up is asserted by `simulate` itself.
"""

import importlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adam_vs_gd.engine.dispatch import DEATHS

FREE = {"overhead": 0.0, "word": 0.0}


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_can_be_imported():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
        yield


@pytest.fixture(scope="module")
def simulated():
    return importlib.import_module("simulated")


@pytest.fixture(scope="module")
def workers():
    return importlib.import_module("workers")


def test_a_thousand_workers_under_all_troubles_lose_nothing(simulated):
    outcome = simulated.simulate(
        simulated.World(
            workers=1000, chunks=3000, start=4.0, compile=16.0, slow_share=0.05, slow=3.0, between_failures=1800.0,
            between_preemptions=1800.0, queue=100.0,
        )
    )  # fmt: skip
    assert not outcome.given_up
    assert outcome.tries > 3100
    assert all(outcome.shares[loss] > 0 for loss in ("slow", "lost", "failed", "preempted"))
    assert sum(outcome.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(("count", "rounds"), [(1, 7), (13, 1), (100, 5)])
def test_equal_chunks_take_as_many_rounds_as_they_are_for_each_worker(simulated, count, rounds):
    outcome = simulated.simulate(simulated.World(workers=count, chunks=count * rounds, spread=0.0, **FREE))
    assert outcome.makespan == rounds * 60
    assert outcome.efficiency == 1


def test_one_chunk_too_many_is_a_round_more(simulated):
    outcome = simulated.simulate(simulated.World(workers=10, chunks=21, spread=0.0, **FREE))
    assert outcome.makespan == 180
    assert outcome.shares["tail"] == pytest.approx(1 - 21 / 30)


def test_a_driver_that_is_too_slow_is_what_decides(simulated):
    """The driver needs 0.1 s for a chunk of 10 s, so that 100 workers are as many as it can keep busy."""
    outcome = simulated.simulate(simulated.World(workers=400, chunks=2000, seconds=10.0, overhead=0.1, word=0.0))
    assert outcome.makespan == pytest.approx(2000 * 0.1, rel=0.1)
    assert outcome.efficiency == pytest.approx(0.25, rel=0.1)
    assert outcome.shares["driver"] > 4 * outcome.shares["tail"]


def test_failures_cost_what_restarts_do(simulated):
    """Without checkpoints, a chunk of T needs (e^(T/m) - 1)(m + back) where a worker dies after m in the mean."""
    mean, back = 300.0, 20.0
    outcome = simulated.simulate(
        simulated.World(workers=1, chunks=600, spread=0.0, between_failures=mean, notice=0.0, back=back, **FREE)
    )
    assert outcome.makespan / 600 == pytest.approx(math.expm1(60 / mean) * (mean + back), rel=0.05)


def test_checkpoints_bound_what_a_failure_loses(simulated):
    world = {"workers": 20, "chunks": 60, "seconds": 1200.0, "between_failures": 3600.0, "seed": 3}
    with_them, without = (simulated.simulate(simulated.World(checkpoint=every, **world)) for every in (60.0, 1e9))
    assert with_them.shares["lost"] < without.shares["lost"] / 3


def test_a_seed_decides_everything(simulated):
    world = {"workers": 50, "chunks": 300, "between_failures": 1000.0, "between_preemptions": 2000.0}
    one, same, other = (simulated.simulate(simulated.World(seed=seed, **world)) for seed in (1, 1, 2))
    assert one._replace(processor=0.0) == same._replace(processor=0.0)
    assert one.makespan != other.makespan


def test_chunks_that_kill_are_given_up_by_name_and_nothing_else_is(simulated):
    outcome = simulated.simulate(simulated.World(workers=20, chunks=200, killers=2))
    chunks = simulated.plan_of(200).groups[0].chunks
    assert set(outcome.given_up) == {chunk.digest for chunk in chunks[:2]}
    assert outcome.tries == 198 + 2 * DEATHS


def test_where_a_line_bends_and_why(workers):
    def row(count, efficiency, **losses):
        return dict.fromkeys(workers.LOSSES, 0.0) | {"workers": count, "efficiency": efficiency} | losses

    start = {"start": 0.1}
    rows = [row(1, 0.9, **start), row(10, 0.86, tail=0.04, **start), row(100, 0.8, tail=0.04, driver=0.06, **start)]
    assert workers.bend(rows) == (rows[2], "driver")
    assert workers.bend(rows[:2]) is None


TIMES = st.sampled_from([0.0, 0.3, 7.0, 60.0])
MEANS = st.sampled_from([math.inf, 40.0, 200.0, 2000.0])


@given(
    count=st.integers(1, 6), chunks=st.integers(1, 15), spread=st.sampled_from([0.0, 0.5]),
    slow_share=st.sampled_from([0.0, 0.5]), start=TIMES, compile=TIMES, between_failures=MEANS, notice=TIMES,
    back=TIMES, between_preemptions=MEANS, queue=TIMES, checkpoint=st.sampled_from([10.0, 120.0]),
    killers=st.integers(0, 2), overhead=st.sampled_from([0.0, 0.2]), word=st.sampled_from([0.0, 0.1]),
    spare=st.integers(1, 4), counted=st.booleans(), seed=st.integers(0, 1000),
)  # fmt: skip
def test_whatever_befalls_workers_each_lane_is_there_once_or_named(simulated, count, **keys):
    outcome = simulated.simulate(simulated.World(workers=count, **keys))
    assert sum(outcome.shares.values()) == pytest.approx(1)
    assert min(outcome.shares.values()) >= 0
