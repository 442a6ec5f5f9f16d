#!/usr/bin/env bash
# python-stdnum 2.2: `stdnum.br.cpf` refuses 000.000.000-00 and accepts the other nine numbers of one repeated digit, which
# are what people type into a field that they are made to fill (111.111.111-11 … 999.999.999-99). Their check digits are
# right, so that the formula alone cannot know; but nobody has such a number. A form that trusts the library takes them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-stdnum==2.2
"$folder/venv/bin/python" - <<'PYTHON'
from stdnum.br import cpf

seen = "".join(digit for digit in "0123456789" if cpf.is_valid(digit * 11))
print("valid:", seen)
assert seen == "123456789", "stdnum judges CPFs of one repeated digit differently now"
PYTHON
