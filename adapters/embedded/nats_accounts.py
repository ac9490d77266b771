"""Who may do what on a NATS server of ours, one or each of a cluster: three identities with static keys.

`operator` creates and alters streams. `app` appends, reads and pulls, and may not call
STREAM.UPDATE, DELETE, PURGE, MSG.DELETE, SNAPSHOT or RESTORE: it is allowed by name only what it
needs. `listener` hears what happens at the desk and does nothing else: its key may leave the machine. None
protects against the operating-system user who owns the data folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import nkeys

from adapters.embedded.child import secret_file

_APP_MAY_PUBLISH: Final = (
    "*.*.*",
    "$JS.API.INFO",
    "$JS.API.STREAM.INFO.*",
    "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.CONSUMER.CREATE.*",
    "$JS.API.CONSUMER.MSG.NEXT.>",
    "$LIVE.*.*.*.*.*",
)
_CONFIG: Final = """\
accounts {{
  LEDGER: {{
    jetstream: enabled
    users: [
      {{ nkey: "{operator}" }}
      {{ nkey: "{app}", permissions: {{ publish: [{publish}], subscribe: ["_INBOX.>", "$AGC.>"] }} }}
      {{ nkey: "{listener}", permissions: {{ publish: {{ deny: ">" }}, subscribe: ["$LIVE.>"] }} }}
    ]
  }}
  SYS: {{ users: [] }}
}}
system_account: SYS
"""


class NatsAccounts:
    """The three identities, whose seeds lie in `folder`; made on first use."""

    def __init__(self, folder: Path) -> None:
        self.app_seed = _seed(folder / "app.nk")
        self.operator_seed = _seed(folder / "operator.nk")
        self.listener_seed = _seed(folder / "listener.nk")

    def config(self) -> str:
        """The part of a server's configuration that lets them in, and nobody else."""
        return _CONFIG.format(
            operator=_public(self.operator_seed),
            app=_public(self.app_seed),
            listener=_public(self.listener_seed),
            publish=", ".join(f'"{subject}"' for subject in _APP_MAY_PUBLISH),
        )


def _seed(path: Path) -> Path:
    """The nkey seed file, made on first use."""
    return secret_file(path, nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))


def _public(seed: Path) -> str:
    key: bytes = nkeys.from_seed(seed.read_bytes()).public_key
    return key.decode()
