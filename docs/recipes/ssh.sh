#!/bin/bash
# Machines reached by ssh, no batch system: ./ssh.sh SPEC.toml host1 host2 ...
#
# Each has this folder under the same path (then workers publish themselves) or not (then they hand their rows back),
# and the same version of adam-vs-gd. One worker a GPU, or one a machine without GPUs.
set -euo pipefail
spec=${1:?which spec.toml}
shift
here=$(hostname -f) port=${PORT:-8786}
DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 dask scheduler --port "$port" --no-dashboard &
trap 'kill $(jobs -p) 2>/dev/null' EXIT

worker="dask worker tcp://$here:$port --nthreads 1 --memory-limit 0 --no-nanny --no-dashboard --death-timeout 60"
for host in "$@"; do
  gpus=$(ssh "$host" "nvidia-smi --list-gpus 2>/dev/null | wc -l")
  for gpu in $(seq 0 $((gpus > 0 ? gpus - 1 : 0))); do
    # -tt: what runs there ends with the connection; before anything is imported, each worker has its GPU
    ssh -tt "$host" "cd '$PWD' 2>/dev/null; CUDA_VISIBLE_DEVICES=$gpu exec $worker" </dev/null >"worker-$host-$gpu.log" 2>&1 &
  done
done

adam-vs-gd sweep "$spec" --executor "dask:tcp://$here:$port"
