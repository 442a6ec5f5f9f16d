#!/usr/bin/env bash
# phonenumbers 9.0.43 (and libphonenumber, of which it is a port), region BR: a Brazilian who writes the country's code
# the way one dials abroad, `0055`, may be read as a foreigner. In Brazil `00` is followed by the code of a carrier, and
# 55 is one: so `00 55` is taken off as "abroad, by carrier 55", and the area code becomes the country. Where that
# country has such numbers, `is_valid_number` says yes: 51 (Porto Alegre) is Peru, 84 (Natal) Vietnam, 66 (Rondonópolis)
# Thailand, 33 (Governador Valadares) France. With 11 (São Paulo) it is "possible" in the United States, but not valid.
# Meanwhile `+55` is read as everybody expects.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.43
"$folder/venv/bin/python" - <<'PYTHON'
import phonenumbers

seen = {}
for area in ("51", "84", "66", "33", "11"):
    for prefix in ("0055 ", "+55 "):
        number = phonenumbers.parse(f"{prefix}{area} 98765-4321", "BR")
        seen[prefix + area] = (phonenumbers.region_code_for_number(number), phonenumbers.is_valid_number(number))
print(seen)
assert seen == {
    "0055 51": ("PE", True), "+55 51": ("BR", True),
    "0055 84": ("VN", True), "+55 84": ("BR", True),
    "0055 66": ("TH", True), "+55 66": ("BR", True),
    "0055 33": ("FR", True), "+55 33": ("BR", True),
    "0055 11": (None, False), "+55 11": ("BR", True),
}, "phonenumbers reads these differently now"
PYTHON
