"""What every test of commissioning has."""

from __future__ import annotations

import pytest

from tests.adapters.driving.new_day import past_new_day


@pytest.fixture(autouse=True)
def leases() -> None:
    """They are taken at once."""
    past_new_day()
