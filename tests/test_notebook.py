"""A sweep in a notebook: what its cell shows, and what becomes of the kernel when it is stopped."""

import re
import signal
import sys
import threading
import time

import made
import pytest
import small
from patience import HUNG, wait_until
from test_progress import PLAN

import adam_vs_gd as ag
from adam_vs_gd.engine.interruption import Interruption
from adam_vs_gd.engine.notebook import SECONDS_BETWEEN_UPDATES, Notebook
from adam_vs_gd.engine.progress import Far, Meter, Silent, progress_on
from adam_vs_gd.spec.cells import cells
from adam_vs_gd.spec.page import lanes_of

HOSTILE = "<img src=x onerror=alert(1)>&\"'"
SPEC = """
import signal, sys, threading
import adam_vs_gd as ag
spec = ag.SweepSpec(
    name="stopped", seeds=2, steps=400_000, record=4,
    data={"n": 20, "d": 60, "s": 10, "test_size": 100}, model={"width": 4},
    optimizers={"adam": {"eta": 1e-3}, "gd": {"eta": 0.1}},
)
"""
HEALTH = (
    "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, len(threading.enumerate()), "
    "(lambda p: p.exists() and p.read_text())(__import__('pathlib').Path('runs/.holder.json')))"
)


class Output:
    """The one output of a cell, as a kernel's front end keeps it."""

    def __init__(self):
        self.shown = []

    def __call__(self, shown):
        self.shown.append(shown)
        return self

    def update(self, shown):
        self.shown.append(shown)


def test_the_bar_is_moved_twice_a_second_at_most(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    output, meter = Output(), Meter(PLAN)
    with Notebook(output) as progress:
        for _ in range(1000):
            now[0] += 0.01
            progress.update(meter)
    assert 10 / SECONDS_BETWEEN_UPDATES <= len(output.shown) <= 10 / SECONDS_BETWEEN_UPDATES + 2
    assert repr(output.shown[-1]) == "done in 10.0 s: 0/16 lanes"


def test_what_a_cell_shows_on_the_way_and_in_the_end():
    output, meter = Output(), Meter(PLAN)
    meter.hear("one", Far(0, 50, 100, PLAN.work / 4, 200.0, PLAN.work / 8))
    for label, status, error in (("adam", "fitted", 0.75), ("adam", "fitted", 0.25), ("gd", "diverged", None)):
        meter.count(status, label, error)
    with Notebook(output) as progress:
        progress.note("out of memory")
        progress.update(meter)
    running, done = (shown._repr_html_() for shown in output.shown[-2:])
    assert 'value="0.2500"' in running
    assert "0/16 lanes, chunk 1/4 at step 50/100, 200 lane-steps/s, 6.0 s left" in running
    rows = [re.findall("<t[hd] [^>]*>([^<]*)<", row) for row in done.split("<tr")]
    assert rows[1:] == [
        ["optimizer", "fitted", "diverged", "mean test error"],
        ["adam", "2", "0", "0.5"],
        ["gd", "0", "1", ""],
    ]
    assert "<progress" not in done
    assert "out of memory" in done


@pytest.mark.parametrize(
    ("error", "said"), [(None, "done"), (ag.Interrupted(2), "interrupted"), (ValueError(), "failed")]
)
def test_the_last_line_says_how_it_ended(error, said):
    output = Output()
    progress = Notebook(output)
    progress.note("compiling")
    progress.__exit__(type(error) if error else None, error, None)
    assert repr(output.shown[-1]).startswith(f"{said} in ")


def test_what_has_nothing_to_tell_shows_nothing():
    output = Output()
    with Notebook(output):
        pass
    assert output.shown == []


def test_a_signal_in_the_middle_of_an_update_does_not_update_in_it():
    """A handler runs in the main thread, wherever that is: two messages must not be sent into each other."""
    progress, depth = None, []

    class Interrupting(Output):
        def __call__(self, shown):
            assert not depth
            depth.append(1)
            progress.note("SIGINT: stopping")
            depth.pop()
            return super().__call__(shown)

        update = __call__

    output = Interrupting()
    progress = Notebook(output)
    progress.note("compiling")
    with progress:
        pass
    assert "SIGINT: stopping" in output.shown[-1]._repr_html_(), "shown by the next"


def test_all_of_it_is_escaped():
    output, meter = Output(), Meter(PLAN, stage=HOSTILE)
    meter.count(HOSTILE, HOSTILE, 0.5)
    meter.main = HOSTILE
    with Notebook(output) as progress:
        progress.note(HOSTILE)
        progress.update(meter)
    assert len(output.shown) == 3
    for shown in output.shown:
        assert "<img" not in shown._repr_html_()
    results = made.three()
    results.attrs["title"] = HOSTILE
    frame = ag.report.show(results)._repr_html_()
    assert frame.count("<") == 2, "a frame and its end"
    assert '"' not in frame.partition('srcdoc="')[2].partition('" title="')[0]


def test_a_spec_shows_its_axes_optimizers_and_lanes():
    spec = small.spec(
        seeds=3, data={"alpha": [0.0, 0.1], "s": list(range(4, 24))},
        optimizers={"adam": {"eta": [1e-3, 1e-2]}, "gd": {"eta": 0.1}},
    )  # fmt: skip
    text = spec._repr_html_()
    lanes = len({lane.digest for _, lane in cells(spec)})
    assert lanes_of(spec) == lanes == 360
    for told in (f"{lanes} lanes", "α", "4, 5, 6, 7, …, 20, 21, 22, 23 (20)", "0.001, 0.01", "model = two_layer_cnn"):
        assert told in text, told
    assert "script" not in text
    assert "color:#" not in text, "a notebook may be dark"


def of_numbers(hyper, key):
    return {"value": hyper["a"] * hyper["b"]}


def test_a_spec_of_somebody_s_function_shows_too():
    own = {"import": "test_notebook:of_numbers"}
    spec = ag.SweepSpec(name="mine", seeds=1, problem=own, axes={"a": [1.0, 2.0, 3.0]}, fixed={"b": 2})
    assert "1, 2, 3" in spec._repr_html_()
    assert "3 lanes" in spec._repr_html_()


def test_outside_of_a_kernel_nobody_imports_ipython(monkeypatch):
    class Module:
        @staticmethod
        def get_ipython():
            return type("TerminalInteractiveShell", (), {})()

    assert not isinstance(progress_on(), Notebook)
    monkeypatch.setitem(sys.modules, "IPython", Module)
    assert not isinstance(progress_on(), Notebook), "IPython in a terminal has the bar"
    Module.get_ipython = staticmethod(lambda: type("ZMQInteractiveShell", (), {"kernel": object()})())
    assert isinstance(progress_on(), Notebook)
    assert isinstance(progress_on(quiet=True), Silent)


def test_in_a_session_the_second_signal_raises_and_ends_no_process(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    before = signal.getsignal(signal.SIGINT)
    said = []
    with Interruption(said.append):
        signal.raise_signal(signal.SIGINT)
        assert said, "the first is only said"
        with pytest.raises(ag.Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_sweep_that_runs_in_a_thread_is_not_run_again_beside(tmp_path):
    spec = small.spec(steps=400_000, record=4)  # the kernel's below, whose programs are then there
    kept = []
    thread = threading.Thread(target=lambda: kept.append(ag.run_sweep(spec, tmp_path / "run", quiet=True)))
    thread.start()
    wait_until((tmp_path / "run" / "journal").is_dir, lambda: not thread.is_alive())
    with pytest.raises(ag.FolderError, match="runs a sweep in it"):
        ag.run_sweep(spec, tmp_path / "run", quiet=True)
    thread.join()
    assert kept[0].identical(ag.run_sweep(spec, tmp_path / "run", quiet=True))


class Kernel:
    """A real kernel, and what its cells gave."""

    def __init__(self, folder):
        manager = pytest.importorskip("jupyter_client.manager", reason="no ipykernel: pip install '.[test]'")
        pytest.importorskip("ipykernel")
        self.manager, self.client = manager.start_new_kernel(kernel_name="python3", cwd=str(folder))

    def run(self, code, at=None, then=None):
        """Messages of a cell by type; `then` is called once, when the text of an output has `at` in it."""
        asked, found = self.client.execute(code), {}
        deadline = time.monotonic() + HUNG
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=HUNG)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            found.setdefault(kind, []).append(content)
            if at and at in content.get("data", {}).get("text/plain", ""):
                then()
                at = None
        raise AssertionError(f"not within {HUNG:.0f} s: {found}")

    def printed(self, code):
        found = self.run(code)
        assert "error" not in found, found["error"]
        return "".join(content["text"] for content in found["stream"])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    started = Kernel(tmp_path_factory.mktemp("notebook"))
    started.run(SPEC)
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)


def test_a_cell_has_one_output_that_is_updated(kernel):
    began = time.monotonic()
    found = kernel.run("whole = ag.run_sweep(spec)")
    seconds = time.monotonic() - began
    assert len(found["display_data"]) == 1
    assert found.keys() <= {"status", "execute_input", "display_data", "update_display_data"}
    updates = [content["data"]["text/plain"] for content in found["update_display_data"]]
    notes = 8  # before the first step, and of each of the two groups
    assert len(updates) <= notes + seconds / SECONDS_BETWEEN_UPDATES + 1
    assert updates[-1].startswith("done in ")
    assert "4/4 lanes; " in updates[-1]
    assert any("lane-steps/s" in text for text in updates)


def test_a_cell_that_is_stopped_goes_on_when_it_is_run_again(kernel):
    cell = "results = ag.run_sweep(spec, 'runs', checkpoint_every=1)"
    before = kernel.printed(HEALTH)
    found = kernel.run(cell, at=" at step ", then=kernel.manager.interrupt_kernel)
    (error,) = found["error"]
    assert error["ename"] == "Interrupted"
    assert len(error["traceback"]) == 1, "no traceback to read"
    assert found["update_display_data"][-1]["data"]["text/plain"].startswith("interrupted in ")
    assert kernel.printed(HEALTH) == before, "handlers, threads and the lock are as they were"
    again = kernel.run(cell)
    assert "error" not in again
    log = again["update_display_data"][-1]["data"]["text/html"]
    assert "go on at step" in log or "2 of 4 lanes are there" in log, log
    assert kernel.printed("print(results.drop_attrs().identical(whole.drop_attrs()))") == "True\n"


def test_without_a_folder_a_stopped_cell_begins_anew(kernel):
    cell = "anew = ag.run_sweep(spec)"
    before = kernel.printed(HEALTH)
    found = kernel.run(cell, at=" at step ", then=kernel.manager.interrupt_kernel)
    assert found["error"][0]["ename"] == "Interrupted"
    assert kernel.printed(HEALTH) == before
    assert "error" not in kernel.run(cell)
    assert kernel.printed("print(anew.identical(whole))") == "True\n"


def test_a_cell_that_failed_is_mended_and_run(kernel):
    found = kernel.run("ag.run_sweep(spec, 'runs', memory=0)")
    assert found["error"][0]["ename"] == "MachineError"
    assert kernel.run("ag.run_sweep(spec, 'runs')")["execute_result"]
