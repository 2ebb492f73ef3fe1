#!/usr/bin/env bash
# Builds the Python package into an environment of its own and tests it there: scripts/python_tests.sh [PYTEST ARGUMENTS].
# Takes Python 3.10 or later with venv and pip, and what pip finds. EXTRAS names further packages to install,
# PYTHON another interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "the Python package needs Python 3.10 or later; PYTHON names another interpreter" >&2
    exit 1
}
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
venv=$(cd "$target" && pwd)/python-tests
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check maturin numpy pytest mypy tqdm matplotlib ${EXTRAS:-}

rm -rf "$venv/wheels"
(cd python && "$venv/bin/maturin" build --release --quiet --out "$venv/wheels" --interpreter "$venv/bin/python")
"$venv/bin/pip" install --quiet --disable-pip-version-check --force-reinstall --no-deps "$venv"/wheels/*.whl
# From another folder: what is tested is the wheel, and not the sources beside the tests.
cd python/tests
"$venv/bin/python" -m pytest -p no:cacheprovider "$@"
