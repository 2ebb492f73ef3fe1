#!/usr/bin/env bash
# Builds the wheel of this platform into dist/ (or the folder named). On Linux one that any distribution since 2014 takes
# (manylinux2014, glibc 2.17): zig, which pip brings, is the linker. One wheel serves Python 3.10 and later.
#
# macOS:   the same command, on a machine of each kind; or `--target universal2-apple-darwin` on one of them.
# Windows: `maturin build --release --out dist` in python/, in a shell that has Rust.
# Linux on another processor: `scripts/wheels.sh dist --target aarch64-unknown-linux-gnu`, after
#          `rustup target add aarch64-unknown-linux-gnu`; zig links for it as well.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-dist}
[ $# -gt 0 ] && shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
venv=$(cd "$target" && pwd)/wheels
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check maturin
options=()
if [ "$(uname)" = Linux ]; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check ziglang
    options=(--zig --compatibility manylinux2014)
fi
cd python
PATH="$venv/bin:$PATH" maturin build --release --out "$out" "${options[@]}" "$@"
