"""A sweep whose chunks are Ray's tasks.

    python ray_sweep.py SPEC.toml OUT [ADDRESS]

Ray has no executor with the interface of `concurrent.futures`, but its results are such futures: twenty lines.
"""

import sys
from concurrent.futures import Executor

import ray

import adam_vs_gd as ag


class RayExecutor(Executor):
    """Ray's cluster as an executor.

    Args:
        workers: chunks at once: as many as the cluster has place for.
        options: of `ray.remote`, for instance `num_gpus=1` or `num_cpus=8`.
    """

    def __init__(self, workers, **options):
        # a task that dies with its worker is the engine's affair, which counts deaths and knows whose they are
        self.num_workers, self.options = workers, {"max_retries": 0, **options}

    def submit(self, call, /, *arguments, **named):
        """A call as a task."""
        return ray.remote(**self.options)(call).remote(*arguments, **named).future()


if __name__ == "__main__":
    ray.init(address=sys.argv[3] if len(sys.argv) > 3 else None)
    workers = int(ray.cluster_resources()["CPU"])
    results = ag.run_sweep(ag.load_spec(sys.argv[1]), sys.argv[2], executor=RayExecutor(workers, num_cpus=1))
    print(results)
