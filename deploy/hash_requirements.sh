#!/usr/bin/env bash
# Writes requirements-hashes.txt anew from requirements.txt: the wheels that each Linux server would fetch, by their hash.
# For developers, after a pin has changed (`make hashes`). Fetches them all with pip.
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
PYTHON=.venv/bin/python
WHEELS=$(mktemp --directory)
trap 'rm -r "$WHEELS"' EXIT

for machine in x86_64 aarch64; do
    platforms=(--platform any)
    for version in manylinux1 manylinux_2_5 manylinux2014 manylinux_2_17 manylinux_2_26 manylinux_2_28 manylinux_2_34; do
        platforms+=(--platform "${version}_$machine")
    done
    for version in 3.13 3.14; do
        "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --python-version "$version" --abi "cp${version/./}" --abi abi3 --abi none "${platforms[@]}" \
            --dest "$WHEELS" --requirement requirements.txt
    done
done

{
    printf '# Made by make hashes from requirements.txt, with the hash of each wheel that may be installed.\n'
    grep '==' requirements.txt | while IFS= read -r pin; do
        name=${pin%%[[=]*}
        printf '%s' "$pin"
        find "$WHEELS" -iname "${name//[-_.]/[-_.]}-${pin#*==}-*.whl" -exec sha256sum {} + | sort |
            while read -r hash _file; do printf ' \\\n    --hash=sha256:%s' "$hash"; done
        printf '\n'
    done
} >requirements-hashes.txt
