"""What a process that does some work has imported."""

from __future__ import annotations

import sys


def loaded(package: str) -> list[str]:
    """Modules of a package, by name."""
    return sorted(name for name in sys.modules if name.partition(".")[0] == package)
