#!/bin/bash
# A worker of slurm-dask.sh: one GPU and one thread each. Without GPUs, leave --gres out and give it the cores of a socket.
#SBATCH --job-name=sweep-worker
#SBATCH --array=0-63
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@90
# TERM 90 s ahead of the end: the chunk is left with a checkpoint, which takes a few.
# --memory-limit 0: Dask kills a worker that grows for a moment, as it does while it draws; the planner counts memory.
# --no-nanny: Slurm starts what has died, and signals reach the worker itself.
for _ in $(seq 60); do [ -e "$SCHEDULER" ] && break; sleep 5; done
exec srun --cpus-per-task="$SLURM_CPUS_PER_TASK" dask worker --scheduler-file "$SCHEDULER" --nthreads 1 --memory-limit 0 --no-nanny --no-dashboard \
  --death-timeout 120 --local-directory "${TMPDIR:-/tmp}"
