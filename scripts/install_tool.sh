#!/usr/bin/env bash
# Builds the tool, by the convention of the verification competition (VNN-COMP):
#   install_tool.sh v1
# Needs Rust (https://rustup.rs) and a C compiler for the linker.
set -euo pipefail

if [ "${1:-}" != v1 ]; then
    echo "install_tool.sh: the first argument must be the version of the convention, v1" >&2
    exit 1
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --release --locked
