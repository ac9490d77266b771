"""Put samples for ever, each number said once `put` returned: `python filler.py FOLDER BYTES_MAX RUN`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from adapters.telemetry.outbox import Outbox
from tests.adapters.telemetry.samples import sample

if __name__ == "__main__":
    outbox = Outbox(Path(sys.argv[1]), int(sys.argv[2]))
    number = 0
    while True:
        number += 1
        assert outbox.put(sample(number, run=sys.argv[3]))
        os.write(1, b"%d\n" % number)
