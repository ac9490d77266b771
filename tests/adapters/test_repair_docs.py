"""Every fault has its line in docs/repair.md and something to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from adapters.integrity.fault import FAULT_CODES, REMEDIES

PAGE = Path(__file__).parents[2] / "docs/repair.md"


def test_the_page_has_each_fault_once() -> None:
    faults = PAGE.read_text(encoding="utf-8").partition("## Faults")[2].partition("## Repairing")[0]
    assert re.findall(r"^\| `(\w+)` \|", faults, re.MULTILINE) == list(FAULT_CODES)
    assert set(REMEDIES) == set(FAULT_CODES)
