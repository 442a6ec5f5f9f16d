"""Which addresses may be called for whoever typed where to."""

from __future__ import annotations

from typing import Any

import pytest

from flowlog.public_addresses import is_public, may_be_called

LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
INSIDE = [
    "0.0.0.0", "10.0.0.1", "172.16.5.4", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254",  # noqa: S104
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "::", "fe80::1", "fe80::1%2",
    "fec0::1", "fd00:ec2::254", "ff02::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1",
    "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1", "2001:0:a00:1::1", "2001:db8::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_of_the_public_internet_may_be_called(address: str) -> None:
    assert (is_public(address), may_be_called(address)) == (True, True)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_within_may_not_be_called_however_it_is_written(address: str) -> None:
    assert (is_public(address), may_be_called(address)) == (False, False)


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_may_be_called_only_where_flowlog_is_tried_out(address: str, settings: Any) -> None:
    settings.SITE_URL = "http://127.0.0.1:8000"
    assert (is_public(address), may_be_called(address)) == (False, True)
    settings.SITE_URL = "https://flowlog.example.com"
    assert (is_public(address), may_be_called(address)) == (False, False)


def test_what_is_no_address_is_not_judged() -> None:
    with pytest.raises(ValueError, match="no-address"):
        is_public("no-address")
