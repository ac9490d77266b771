"""A VTN for a test module; each test begins with an empty store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.adapters.gateway.running_vtn import RunningVtn, running_vtn


@pytest.fixture(scope="module")
def served() -> Iterator[RunningVtn]:
    with running_vtn() as vtn:
        yield vtn


@pytest.fixture
def vtn(served: RunningVtn) -> Iterator[RunningVtn]:
    served.store._objects.clear()
    served.clock.shift = timedelta(0)
    served.requests.clear()
    yield served
    served.intercept = None
