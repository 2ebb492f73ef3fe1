#!/usr/bin/env bash
# Answers one instance, by the convention of the verification competition (VNN-COMP):
#   run_instance.sh v1 CATEGORY NETWORK.onnx[.gz] QUERY.vnnlib[.gz] RESULTS TIMEOUT_SECONDS
# The results file holds unsat, sat, unknown, timeout or error, and below sat the counterexample.
set -euo pipefail

if [ "${1:-}" != v1 ]; then
    echo "run_instance.sh: the first argument must be the version of the convention, v1" >&2
    exit 1
fi
if [ $# -lt 6 ]; then
    echo "usage: run_instance.sh v1 CATEGORY NETWORK QUERY RESULTS TIMEOUT" >&2
    exit 1
fi
network=$3 query=$4 results=$5 timeout=$6
absint=${ABSINT:-$(dirname "${BASH_SOURCE[0]}")/../target/release/absint}

status=0
answer=$("$absint" verify "$query" --network "$network" --timeout "$timeout" --quiet) || status=$?
if [ "$status" -ne 0 ]; then
    answer=error
elif [ "$answer" = timed-out ]; then
    answer=timeout
fi
printf '%s\n' "$answer" > "$results"
