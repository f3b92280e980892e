"""What a run tells of how far it is."""

import io
import itertools

import pytest
import small
from small import make_plan

from adam_vs_gd.engine.plan import Limits
from adam_vs_gd.engine.progress import Bar, Far, Lines, Meter, Pulse, Silent, duration, progress_on
from adam_vs_gd.spec.cells import cells

PLAN = make_plan(
    [lane for _, lane in cells(small.spec(seeds=2, steps=[100, 300], record=2, data={"alpha": [0.0, 0.1]}))],
    Limits(1, 2**40, 2**40, 4),
)


def test_time_left_is_the_work_left_at_the_speed_of_the_last_half_minute():
    meter, pulse = Meter(PLAN), Pulse()
    assert meter.left is None
    assert meter.position() == "0/16 lanes, 0 lane-steps/s, ? left"
    group, work = PLAN.groups[0], 200 * PLAN.groups[0].cost.step
    pulse.advance(group, 50, 50, 4, 1.0)
    meter.hear("one", pulse.far())
    assert meter.speed == 200
    assert meter.left == pytest.approx((PLAN.work - work) / work), "a step of gradient descent is less work"
    assert meter.position() == "0/16 lanes, chunk 1/4 at step 50/100, 200 lane-steps/s, 8.7 s left"
    for _ in range(100):
        pulse.advance(group, 50, 1, 4, 1.0)
    meter.hear("one", pulse.far())
    assert meter.speed == pytest.approx(4), "the past is forgotten"


def test_what_has_been_passed_over_needs_no_time():
    meter, pulse = Meter(PLAN), Pulse()
    for group in PLAN.groups:
        pulse.pass_over(group, group.static.steps, group.lanes)
    pulse.advance(PLAN.groups[0], 1, 0, 4, 1.0)
    meter.hear("all", pulse.far())
    assert meter.left == pytest.approx(0) or meter.left is None
    assert meter.work_done == pytest.approx(meter.work)


def test_a_chunk_that_is_begun_again_counts_once():
    meter, pulse = Meter(PLAN), Pulse()
    group, *others = PLAN.groups
    rate, chunk = 200 * group.cost.step, 4 * group.static.steps * group.cost.step
    pulse.advance(group, 50, 50, 4, 1.0)
    pulse.begin_again()
    meter.hear("one", pulse.far())
    assert meter.left == pytest.approx(PLAN.work / rate)
    pulse.advance(group, 100, 100, 4, 2.0)
    pulse.finish(4)
    meter.hear("one", pulse.far())
    assert meter.lanes_done == 4
    assert meter.left == pytest.approx(PLAN.work / rate - 2)
    meter.drop("one")
    meter.end(4, chunk)
    assert meter.lanes_done == 4, "heard of while it ran, and counted at its end"
    assert meter.left == pytest.approx(PLAN.work / rate - 2)
    meter.end(0, sum(g.lanes * g.static.steps * g.cost.step for g in others))
    assert meter.left == pytest.approx((group.lanes - 4) / 4 * 2), "given up"


def test_several_chunks_at_once():
    meter = Meter(PLAN)
    for name, speed in (("one", 100.0), ("other", 50.0)):
        meter.hear(name, Far(0, 50, 100, PLAN.work / 4, speed, PLAN.work / 8))
    assert meter.position() == "0/16 lanes, 0/4 chunks, 2 running, 150 lane-steps/s, 2.0 s left"
    meter.drop("other")
    assert meter.left == pytest.approx(6), "what it had done is to do again"


def test_statuses_and_running_means():
    meter = Meter(PLAN)
    for label, status, error in (("adam", "fitted", 0.75), ("adam", "fitted", 0.25), ("gd", "diverged", None)):
        meter.count(status, label, error)
    assert meter.outcome() == "2 fitted, 1 diverged; mean test error adam 0.5"


def test_lines_come_every_few_seconds_and_at_the_end(monkeypatch):
    clock = itertools.count(0, 2)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    stream = io.StringIO()
    lines, meter = Lines(stream), Meter(PLAN)
    for _ in range(6):
        lines.update(meter)
    assert len(stream.getvalue().splitlines()) == 2
    meter.end(meter.lanes, meter.work)
    lines.update(meter)
    assert stream.getvalue().splitlines()[-1].startswith("16/16 lanes")


def test_a_bar_in_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    progress = progress_on(stream)
    assert isinstance(progress, Bar)
    meter = Meter(PLAN)
    meter.hear("one", Far(0, 50, 100, 1.0, 200.0, 1.0))
    meter.count("fitted", "adam", 0.5)
    with progress:
        progress.note("out of [memory]")
        progress.update(meter)
    text = stream.getvalue()
    assert "out of [memory]" in text
    assert "chunk 1/4 at step 50/100" in text
    assert "1 fitted; mean test error adam 0.5" in text


def test_who_gets_what():
    assert isinstance(progress_on(io.StringIO()), Lines)
    assert isinstance(progress_on(io.StringIO(), quiet=True), Silent)


@pytest.mark.parametrize(("seconds", "text"), [(0.04, "0.0 s"), (59.6, "1 min 00 s"), (7260, "2 h 01 min")])
def test_durations(seconds, text):
    assert duration(seconds) == text
