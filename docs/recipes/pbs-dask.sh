#!/bin/bash
# PBS: the same as slurm-dask.sh. qsub -v SPEC=SPEC.toml pbs-dask.sh
#PBS -N sweep
#PBS -l select=1:ncpus=2:mem=8gb
#PBS -l walltime=48:00:00
#PBS -r y
set -euo pipefail
cd "$PBS_O_WORKDIR"
file=$PWD/scheduler-${PBS_JOBID%%.*}.json workers=
trap 'qdel "$workers" 2>/dev/null; kill %1 2>/dev/null; rm -f "$file"' EXIT

DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 dask scheduler --scheduler-file "$file" --no-dashboard &
workers=$(qsub -v SCHEDULER="$file" pbs-dask-worker.sh)

adam-vs-gd sweep "${SPEC:?qsub -v SPEC=SPEC.toml}" --executor "dask:$file" --wait
