#!/bin/sh
# Prints the path of a Python that Flowlog runs on, with what it takes to make a virtual environment.
# Looks at $PYTHON (then at nothing else), the usual names, pyenv's versions, and lets uv install one.

suitable() {
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 13))' >/dev/null 2>&1
}

if [ -n "$PYTHON" ]; then
    suitable "$PYTHON" && command -v "$PYTHON" && exit
    echo "PYTHON=$PYTHON is not a Python 3.13 or newer with its venv module." >&2
    exit 1
fi

for candidate in python3.14 python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python; do
    suitable "$candidate" && command -v "$candidate" && exit
done

if command -v uv >/dev/null 2>&1; then
    uv python install --quiet 3.13 >&2 && uv python find 3.13 && exit
fi

echo "Flowlog needs Python 3.13 or newer with its venv module: install it (Debian: python3.13-venv)," \
    "or pyenv or uv, or set PYTHON=/path/to/python." >&2
exit 1
