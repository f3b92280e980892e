"""Dask's workers: one for each device of this machine, or those of a cluster that is there already."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster, WorkerPlugin

from adam_vs_gd.engine.errand import STOPPING, heed, leave
from adam_vs_gd.engine.executors import Pool
from adam_vs_gd.engine.machine import cores
from adam_vs_gd.engine.task import Answer, Task
from adam_vs_gd.engine.worker import this_worker
from adam_vs_gd.errors import ExecutorError, MachineError
from adam_vs_gd.store.words import Words

CONNECT_SECONDS = 30.0
TO_COME = 64  # workers that chunks are planned for where more may come than there are when the first has answered
RECOUNT_SECONDS = 2.0  # between two questions to the scheduler how many workers there are
GPU_SHARE = 0.75  # of a GPU's memory, for all of the workers on it: what JAX would take for one
NO_FAILURES = 0
"""Dask counts as a failure of a task that a worker died which merely had it in its queue, and tries again without a
word. Here a death is told at once, and `dispatch` knows from workers' words whose it was."""
CONFIG = {
    "distributed.scheduler.allowed-failures": NO_FAILURES,
    "distributed.scheduler.work-stealing": False,  # a chunk that is stolen while it starts is trained twice
    "distributed.scheduler.worker-saturation": 1.0,  # what no worker has begun waits with the scheduler
    "distributed.worker.daemon": True,
    "distributed.logging.distributed": "error",
}


class Leaving(WorkerPlugin):
    """Has a worker that closes leave its chunk with a checkpoint: SIGTERM does not reach a thread that trains."""

    name = "adam-vs-gd"
    idempotent = True

    def setup(self, worker: Any) -> None:
        """See to SIGTERM, where that is this process's alone; Ctrl-C is for whoever has started its Nanny."""
        STOPPING.clear()
        heed()
        if worker.nanny and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def teardown(self, worker: Any) -> None:
        """Wait for the checkpoint."""
        await asyncio.to_thread(leave)
        if threading.current_thread() is not threading.main_thread():  # a worker in somebody's process, which goes on
            STOPPING.clear()


class DaskPool(Pool):
    """The workers of Dask's client.

    Args:
        client: of their scheduler.
        words: where they leave word.
        owned: what is to be closed in the end.
        ours: whether all of its workers have been started here.
    """

    def __init__(
        self, client: Client, words: Words, owned: contextlib.ExitStack | None = None, *, ours: bool = False
    ) -> None:
        self.client, self.closing, self.ours = client, owned or contextlib.ExitStack(), ours
        self.where = client.scheduler.address if client.scheduler else "dask"
        self.counted, self.found, self.shunned = -math.inf, dict[str, Any](), set[str]()
        try:
            client.register_plugin(Leaving())
        except Exception as error:  # whatever a worker cannot import
            raise ExecutorError(
                f"{self.where}: its workers cannot be used ({type(error).__name__}: {error}); see that "
                "they have this version of adam-vs-gd"
            ) from error
        super().__init__(self.executor_of_all, words, owned=False)

    def executor_of_all(self) -> Executor:
        """The workers that are fit, as an executor. What Dask tries again, it tries without a word: nothing."""
        # others may: a worker that has died since is not waited for, and one that is not fit refuses
        fit = {"workers": list(self.known()), "allow_other_workers": True} if self.shunned else {}
        return self.client.get_executor(pure=False, retries=0, **fit)

    def submit(self, task: Task) -> Future[Answer]:
        """Hand a chunk to those who are there now."""
        if self.shunned:
            self.executor = self.executor_of_all()
        return super().submit(task)

    def shun(self, worker: str) -> bool:
        """Give nothing more to a worker, unless nobody else is there."""
        try:
            names = self.client.run(this_worker, on_error="return", wait=True)
        except (OSError, RuntimeError):  # while the scheduler is gone
            return False
        unfit = {address for address, name in names.items() if name == worker}
        left = self.known().keys() - unfit
        if left and unfit:
            self.shunned |= unfit
            self.counted = -math.inf
        return bool(left and unfit)

    def known(self) -> Mapping[str, Any]:
        """{address: what the scheduler says of a worker that is fit}, as of just now."""
        if time.monotonic() - self.counted > RECOUNT_SECONDS:
            with contextlib.suppress(OSError, RuntimeError, KeyError):  # while the scheduler is gone
                found = self.client.scheduler_info(n_workers=-1)["workers"]
                self.found = {address: worker for address, worker in found.items() if address not in self.shunned}
            self.counted = time.monotonic()
        return self.found

    def workers(self) -> int:
        """How many there are now."""
        return len(self.known())

    def expect_alive(self) -> None:
        """See that the client has not given up a scheduler that is gone: what it was handed never comes to an end.

        Raises:
            ExecutorError: if it has.
        """
        if self.client.status == "closed":
            raise ExecutorError(
                f"{self.where}: the scheduler is gone; what is finished is kept, and the same command goes on from "
                "there once there is one"
            )

    def planned(self) -> int:
        """Those that are there, of a cluster of somebody's at least so many as may come."""
        return self.workers() if self.ours else max(self.workers(), TO_COME)

    def sharing(self) -> int:
        """How many there are on a machine, at most."""
        return max(Counter(worker["host"] for worker in self.known().values()).values(), default=1)

    def close(self) -> None:
        """Leave the cluster; end it, if it is ours."""
        self.closing.close()


def local(words: Words, devices: int | None) -> DaskPool:
    """A cluster of this machine: spawned processes of one thread, one for each device."""
    around = {key: value for key, value in os.environ.items() if key.startswith(("CUDA_VISIBLE", "XLA_", "JAX_"))}
    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIG))
        stack.enter_context(quiet())
        workers = {
            k: {
                "cls": Nanny,
                "options": {
                    "nthreads": 1,
                    "memory_limit": 0,  # Dask kills what grows beyond; draws do, for a moment, and the planner counts
                    "env": share,
                    "name": k,
                    "silence_logs": logging.ERROR,
                },
            }
            for k, share in enumerate(shares(devices, gpus(around), cores(), around))
        }
        scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
        cluster = stack.enter_context(SpecCluster(workers, scheduler, name="adam-vs-gd", silence_logs=logging.ERROR))
        client = stack.enter_context(Client(cluster, set_as_default=False))
        return DaskPool(client, words, stack.pop_all(), ours=True)


def joined(address: str, words: Words) -> DaskPool:
    """A cluster that is there: by the address of its scheduler, or the file that it leaves that in.

    Raises:
        ExecutorError: if nobody answers there.
    """
    where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
    if "scheduler_file" in where and not Path(address).is_file():
        make = f"`dask scheduler --scheduler-file {address}` makes it"
        raise MachineError(f"dask:{address}: there is no such file; {make}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(quiet())
        try:
            client = stack.enter_context(Client(**where, timeout=CONNECT_SECONDS, set_as_default=False))
        except (TimeoutError, OSError, ValueError) as error:
            raise ExecutorError(f"dask:{address}: no scheduler answers there ({str(error) or 'in time'})") from None
        return DaskPool(client, words, stack.pop_all())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Have Dask's own lines left out but for errors: what happens to workers is told by `dispatch`."""
    logs = {name: logging.getLogger(name) for name in ("distributed", "tornado.application", "concurrent.futures")}
    levels = {name: log.level for name, log in logs.items()}
    for log in logs.values():
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, log in logs.items():
            log.setLevel(levels[name])


def gpus(around: Mapping[str, str]) -> list[str]:
    """The GPUs that JAX would use, as CUDA_VISIBLE_DEVICES names them; found without starting JAX, which takes them."""
    plugins = any(importlib.util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13))
    if not plugins or around.get("JAX_PLATFORMS", "cuda").partition(",")[0] not in ("cuda", "gpu"):
        return []
    if (visible := around.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name and name != "-1"]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def shares(devices: int | None, gpus: list[str], cores: int, around: Mapping[str, str]) -> list[dict[str, str]]:
    """What each worker has in its environment before it imports anything.

    Args:
        devices: how many workers; one for each GPU by default, or for each core where there is none.
        gpus: their names.
        cores: that this process may use.
        around: variables that are set, and stay.

    Returns:
        The variables of each worker. Workers on one GPU share its memory; on a CPU they share the cores.
    """
    if gpus:
        count = devices or len(gpus)
        each = math.ceil(count / len(gpus))
        memory = {} if each == 1 else {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{GPU_SHARE / each:.3g}"}
        found = [{"CUDA_VISIBLE_DEVICES": gpus[k % len(gpus)], **memory} for k in range(count)]
    else:
        count = devices or cores
        found = [{"JAX_NUM_CPU_DEVICES": str(max(1, (cores + k) // count))} for k in range(count)]
    return [{key: value for key, value in one.items() if key == "CUDA_VISIBLE_DEVICES" or key not in around}
            for one in found]  # fmt: skip
