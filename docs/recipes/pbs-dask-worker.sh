#!/bin/bash
# A worker of pbs-dask.sh. PBS sends SIGTERM ahead of SIGKILL when a job is deleted, preempted or out of time (kill_delay).
#PBS -N sweep-worker
#PBS -J 0-63
#PBS -l select=1:ncpus=8:ngpus=1:mem=32gb
#PBS -l walltime=04:00:00
#PBS -r y
cd "$PBS_O_WORKDIR"
for _ in $(seq 60); do [ -e "$SCHEDULER" ] && break; sleep 5; done
exec dask worker --scheduler-file "$SCHEDULER" --nthreads 1 --memory-limit 0 --no-nanny --no-dashboard \
  --death-timeout 120 --local-directory "${TMPDIR:-/tmp}"
