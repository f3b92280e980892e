#!/bin/bash
# Slurm, chunks of seconds to minutes: a scheduler and the sweep in one small job, Dask's workers in an array beside it.
#
#   sbatch slurm-dask.sh SPEC.toml      from the folder of these two scripts
#
# Workers may start late, be preempted, or end at their time limit: chunks go on from their checkpoints elsewhere.
#SBATCH --job-name=sweep
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=2-00:00:00
#SBATCH --requeue
set -euo pipefail
spec=${1:?which spec.toml}
file=$PWD/scheduler-$SLURM_JOB_ID.json workers= # on a file system that all nodes see, as is runs/
trap 'scancel "$workers" 2>/dev/null; kill %1 2>/dev/null; rm -f "$file"' EXIT

# allowed-failures: Dask counts a chunk that merely was on a worker which died, and tries again by itself
DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 dask scheduler --scheduler-file "$file" --no-dashboard &
workers=$(sbatch --parsable --export=ALL,SCHEDULER="$file" "$SLURM_SUBMIT_DIR/slurm-dask-worker.sh")

adam-vs-gd sweep "$spec" --executor "dask:$file" --wait
