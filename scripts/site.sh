#!/usr/bin/env bash
# Builds the documentation into target/site: scripts/site.sh [--rust]. With --rust the reference of the library (cargo doc)
# becomes part of it. The site needs no network to be read; building it takes Python and what pip finds.
set -euo pipefail
cd "$(dirname "$0")/.."

# The package itself draws the pictures and says what its options are.
EXTRAS="mkdocs-material onnx${EXTRAS:+ $EXTRAS}" scripts/python_tests.sh --quiet -k "method_has_a_line"
target=${CARGO_TARGET_DIR:-target}
bin=$(cd "$target" && pwd)/python-tests/bin
mkdir -p target
PATH="$bin:$PATH" python scripts/site.py target/site-source
(cd docs && "$bin/mkdocs" build --quiet --strict)
if [ "${1:-}" = --rust ]; then
    cargo doc --no-deps -p absint -p absint-domains -p absint-check -p absint-sat
    rm -rf target/site/rust
    cp -r "$target/doc" target/site/rust
fi
echo "target/site/index.html"
