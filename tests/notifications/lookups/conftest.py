"""The instance that is asked."""

from __future__ import annotations

import pytest

from integrations.models import EvolutionInstance
from tests.factories import make_instance


@pytest.fixture(autouse=True)
def instance() -> EvolutionInstance:
    return make_instance()
