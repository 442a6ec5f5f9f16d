#!/usr/bin/env bash
# phonenumbers 9.0.43: of Brazil's mobiles without the ninth digit (they began with 6 to 9, and none has been given out
# for years) those that begin with 7 are still a "valid MOBILE": they are the numbers of old trunking radios. Those with
# 6, 8 and 9 are invalid. So a rule such as "put the ninth digit before whatever is not valid" repairs three quarters of
# them and leaves `+55 31 7765-4321` beside `+55 31 97765-4321`: two valid numbers, and one WhatsApp account.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.43
"$folder/venv/bin/python" - <<'PYTHON'
import phonenumbers
from phonenumbers import PhoneNumberType

seen = {}
for first in "6789":
    for text in (f"+55 31 {first}765-4321", f"+55 31 9{first}765-4321"):
        number = phonenumbers.parse(text)
        is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
        seen[text] = phonenumbers.is_valid_number(number) and is_mobile
print(seen)
assert seen == {
    "+55 31 6765-4321": False, "+55 31 96765-4321": True,
    "+55 31 7765-4321": True, "+55 31 97765-4321": True,
    "+55 31 8765-4321": False, "+55 31 98765-4321": True,
    "+55 31 9765-4321": False, "+55 31 99765-4321": True,
}, "phonenumbers judges these differently now"
PYTHON
