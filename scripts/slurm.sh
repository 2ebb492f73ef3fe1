#!/usr/bin/env bash
#SBATCH --job-name=absint
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --requeue
# One part of a data set per job of an array, resumed after an interruption:
#
#   sbatch --array=1-50 scripts/slurm.sh RESULTS net.onnx --data test.csv --eps 2/255 --timeout 60
#   absint merge RESULTS/*.jsonl --out results.jsonl          # once all are through
#
# The first argument is a folder that all machines see; the others are those of `absint certify`. A job that is requeued
# goes on from its file; `absint merge` names what is missing.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: sbatch --array=1-N slurm.sh RESULTS NETWORK [OPTIONS OF absint certify]" >&2; exit 2; }
: "${SLURM_ARRAY_TASK_ID:?run this as an array job: sbatch --array=1-N}"
results=$1
shift
# An array that does not begin at 1 would leave parts out.
[ "${SLURM_ARRAY_TASK_MIN:-1}" = 1 ] || { echo "the array must begin at 1: sbatch --array=1-N" >&2; exit 2; }
of=${SLURM_ARRAY_TASK_MAX:?}
mkdir -p "$results"
out=$results/part-$SLURM_ARRAY_TASK_ID-of-$of.jsonl
exec absint certify "$@" --quiet --threads "${SLURM_CPUS_PER_TASK:-1}" \
    --shard "$SLURM_ARRAY_TASK_ID/$of" --out "$out" --resume
