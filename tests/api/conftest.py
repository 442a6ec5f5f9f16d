"""What the tests of the API share."""

from __future__ import annotations

import pytest

from tests.api.client import Program
from tests.factories import make_instance


@pytest.fixture
def program(db: None) -> Program:
    """One that may do everything at the default store, which has a WhatsApp."""
    make_instance()
    return Program()
