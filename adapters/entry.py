"""The first step of the program: an interrupt while the rest is still being imported ends it quietly too."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """Import the program and run one command."""
    try:
        from adapters.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
