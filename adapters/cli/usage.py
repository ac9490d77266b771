"""What is wrong with the words of a command line, as a refusal like any other."""

from __future__ import annotations

from cyclopts import App, CycloptsError
from cyclopts.help import format_usage

from ledger.refusal import Refused


def usage_refusal(app: App, error: CycloptsError) -> Refused:
    """`cli_usage`: what is wrong, which values are allowed, and how the command is used."""
    error.verbose = False
    told = " ".join(str(error).split())
    usage = format_usage(app, tuple(error.command_chain or ())).plain.strip()
    return Refused("cli_usage", f"{told}\nusage: {usage}")
