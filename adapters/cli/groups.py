"""Which file adds which commands, so that a command is loaded without all the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "servers": ("demo", "up", "serve", "project", "status"),
        "facts": ("register", "contract", "abandon", "import"),
        "metering": ("meter-data",),
        "money": ("settle", "statement", "explain"),
        "proof": ("verify", "replay", "rebuild", "backup", "restore", "repair"),
        "log": ("log",),
        "bundle": ("bundle",),
        "access": ("key",),
        "access_log": ("access-log",),
        "privacy": ("privacy",),
        "close": (
            "statements",
            "proposals",
            "approve",
            "reject",
            "finalise",
            "month",
            "journal",
            "trial-balance",
            "close",
        ),
        "disputes": ("dispute",),
        "accounting": ("vouchers", "invoices", "account"),
        "record": ("record",),
        "capital": ("capital",),
        "contract_facts": ("exclusion", "service-score"),
        "netting": ("netting",),
        "questions": ("what-if", "appraise"),
        "reconcile": ("reconcile",),
        "reports": ("report",),
        "analyst": ("analyst",),
        "runs": ("register", "runs"),
        "story": ("story",),
        "trading_units": ("register", "allocate", "unit-statement"),
        "market": ("market",),
        "desk": ("desk",),
        "bid": ("bid",),
        "position": ("position",),
        "forecast": ("forecast",),
        "plan": ("plan",),
        "backtest": ("backtest", "value"),
        "storage": ("storage",),
        "commission": ("commission", "prequalification"),
        "care": ("alarm", "work", "milestone"),
        "health": ("health",),
        "device": ("device",),
        "emergency": ("emergency",),
        "drive": ("drive",),
        "telemetry": ("telemetry",),
        "clearing": ("clearing",),
        "sharing": ("sharing",),
        "trade": ("trade",),
        "webhook": ("webhook", "tell"),
    }
)
"""The files of this folder that add commands, in the order in which help shows them, and the first words of
those commands."""
_BUILD_ON: Final[Mapping[str, str]] = MappingProxyType({"runs": "facts", "trading_units": "facts"})
"""Files that add to a group of commands which another one makes."""


def groups_of(words: Sequence[str]) -> tuple[str, ...]:
    """The files that a command line of `words` needs: all of them where its first word is no command.

    >>> groups_of(["runs", "due"]), len(groups_of([])) == len(GROUPS)
    (('facts', 'runs'), True)
    """
    found = {group for group, commands in GROUPS.items() if words and words[0] in commands}
    needed = found | {_BUILD_ON[group] for group in found if group in _BUILD_ON}
    return tuple(group for group in GROUPS if group in (needed or GROUPS))
