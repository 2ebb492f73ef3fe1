#!/usr/bin/env bash
# Prepares one instance, by the convention of the verification competition (VNN-COMP):
#   prepare_instance.sh v1 CATEGORY NETWORK.onnx[.gz] QUERY.vnnlib[.gz]
# There is nothing to convert: it only says early whether the tool and both files are there.
set -euo pipefail

if [ "${1:-}" != v1 ]; then
    echo "prepare_instance.sh: the first argument must be the version of the convention, v1" >&2
    exit 1
fi
if [ $# -lt 4 ]; then
    echo "usage: prepare_instance.sh v1 CATEGORY NETWORK QUERY" >&2
    exit 1
fi
absint=${ABSINT:-$(dirname "${BASH_SOURCE[0]}")/../target/release/absint}
if [ ! -x "$absint" ]; then
    echo "prepare_instance.sh: $absint is not there; run install_tool.sh v1, or set ABSINT to the program" >&2
    exit 1
fi
for file in "$3" "$4"; do
    if [ ! -r "$file" ]; then
        echo "prepare_instance.sh: $file cannot be read" >&2
        exit 1
    fi
done
