"""Every command that reads takes --as-of, and answers as the ledger knew it then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from cyclopts import App

from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.as_of_stream import Stream, founded
from tests.adapters.http.conftest import CONTRACT

ACCOUNTS: Final = Path(__file__).parents[3] / "examples/accounts"
PAGE: Final = (Path(__file__).parents[3] / "docs/as-of.md").read_text(encoding="utf-8")
OUT: Final = "OUT"
"""Stands for a new file, whose bytes are compared."""
RUN: Final = (CONTRACT.id, "2026-08", "1")

ASKED: Final[dict[str, tuple[str, ...]]] = {
    "account": ("operator",),
    "alarm list": (),
    "bid list": (),
    "bid receipt": ("desk-bid",),
    "bid show": ("desk-bid",),
    "bundle book": ("--out", OUT),
    "capital show": (CONTRACT.id,),
    "commission show": ("D9",),
    "desk show": (),
    "clearing show": ("shandong__spot_da_2026-12-01",),
    "desk unit-day": ("vpp-desk", "2026-12-01"),
    "device show": ("D9",),
    "device undriven": (),
    "dispute list": (),
    "emergency show": (),
    "exclusion list": (CONTRACT.id,),
    "explain": RUN,
    "forecast": ("load:S1", "2026-09-15"),
    "health": ("D9",),
    "invoices": (),
    "journal": (),
    "key list": (),
    "market gates": ("shandong_spot", "2026-12-01"),
    "market list": (),
    "meter-data validate": ("2026-08",),
    "milestone list": ("S1",),
    "month": ("2026-08",),
    "netting show": (),
    "backtest": ("S1", "2026-08"),
    "plan show": ("S1", "2026-12-01"),
    "position profit": ("vpp-desk", "2026-12-01"),
    "position show": ("vpp-desk", "2026-12-01"),
    "prequalification": ("vpp-desk", "--month", "2026-08"),
    "proposals": (),
    "report": ("2026-08",),
    "runs due": ("--all",),
    "service-score list": (CONTRACT.id,),
    "sharing show": ("desk-bid",),
    "statement": ("2026-08",),
    "story actor": ("ada",),
    "story bid": ("desk-bid",),
    "story contract": (CONTRACT.id,),
    "story device": ("D9",),
    "story document": ("bank.csv",),
    "story event": ("3",),
    "story line": (*RUN, "1"),
    "story market-fact": ("order-1",),
    "story meter": ("S1-STORAGE",),
    "story reading": ("S1-STORAGE", "2026-08-04T10:00:00Z"),
    "story site": ("S1",),
    "story unit-statement": ("dr1",),
    "trial-balance": ("2026-08",),
    "unit-statement": ("vpp", "2026-08"),
    "value": ("S1", "2026-08"),
    "webhook list": (),
    "vouchers": (
        "2026-08",
        *("--profile", str(ACCOUNTS / "voucher_yonyou.toml")),
        *("--mapping", str(ACCOUNTS / "voucher_mapping.toml")),
        *("--out", OUT),
    ),
    "what-if": (CONTRACT.id, "2026-08", "2026-08"),
    "work list": (),
    "work satisfaction": ("2026-08",),
}
"""Every command that reads the ledger, and what it is asked."""

COUNT_DAYS: Final = ("account", "capital show", "journal", "netting show", "runs due", "trial-balance")
"""Those that ask for effective time by a day; they are asked as of an instant too."""

WRITES: Final = frozenset(
    {
        "abandon", "alarm acknowledge", "alarm clear", "alarm raise", "allocate", "analyst add",
        "analyst remove", "approve", "bid acknowledge", "bid approve", "bid draft", "bid override",
        "bid propose", "bid refuse", "bid send", "bid submit", "bid unsent", "bid withdraw", "bid withdrawn",
        "bundle statement", "capital cash", "capital in-kind", "capital return", "capital strike",
        "capital transfer", "clearing approve", "clearing record", "close", "commission",
        "contract withdraw", "demo",
        "desk approve", "desk envelope", "desk policy", "desk resume", "desk stop", "device acknowledge",
        "device fallback", "dispute correct", "dispute decide", "dispute raise", "drive", "emergency end",
        "emergency hold", "emergency limit-export", "emergency respond-now", "emergency stop-all",
        "exclusion record", "exclusion withdraw", "finalise", "health tested", "health watch",
        "health withdraw", "import", "key grant", "key revoke",
        "log checkpoint", "log cosignature", "log rotate-key", "market register", "meter-data read",
        "meter-data substitute", "milestone state", "netting agree", "netting set-off", "plan",
        "plan objective", "privacy erase", "privacy link", "privacy register-person", "project", "rebuild",
        "reconcile bank",
        "reconcile statement", "record credit", "record handover", "record invoice", "record market-receipt",
        "record payment", "record supplier-payment", "record write-off", "register contract",
        "register exclusivity", "register market-facts", "register market-rule", "register portfolio",
        "register prices", "register run-calendar", "register tariff", "register trading-unit", "reject",
        "repair", "report availability", "report economics", "report factors", "restore", "runs void",
        "runs waive-look-back", "serve", "service-score record", "settle", "sharing out", "sharing sites",
        "sharing state", "statements accept-by-silence", "statements approve", "statements confirm",
        "statements issue", "statements review", "storage limit", "storage terms", "tell", "trade", "up",
        "webhook register", "webhook replay", "webhook stop", "work assign", "work availability",
        "work cancel", "work done", "work open", "work rate", "work score",
    }
)  # fmt: skip
"""Those that record or start something."""


@pytest.fixture
def stream(bench: Bench) -> Iterator[Stream]:
    api = founded(bench)
    assert api.published.signer() is not None
    yield Stream(api, {})
    api.close()


def commands() -> dict[str, set[str]]:
    """Every command of the program and the names of its parameters."""
    session = Session(Settings.from_environment({}), lambda: datetime.now(UTC))
    found: dict[str, set[str]] = {}

    def walk(app: App, prefix: str) -> None:
        for name in app:
            if not name.startswith("-"):
                one = app[name]
                if one.default_command is not None:
                    found[prefix + name] = {each.name for each in one.assemble_argument_collection()}
                walk(one, f"{prefix}{name} ")

    walk(application(session), "")
    return found


def test_every_command_that_reads_takes_as_of() -> None:
    """The page names those that are about servers and files now; another one that cannot is a defect."""
    found = commands()
    now = PAGE.partition("\nAt a terminal these are about")[2].partition("\n\n")[0]
    assert {name for name, names in found.items() if "--as-of" in names} == ASKED.keys()
    without = found.keys() - ASKED.keys() - WRITES
    assert without == set(
        now.partition(":")[2].strip().rstrip(".").replace("\n", " ").replace("`", "").split(", ")
    )
    assert not WRITES - found.keys()
    for name in COUNT_DAYS:
        assert "--effective" in found[name]


@pytest.mark.long
def test_a_suffix_never_changes_what_was_printed(
    stream: Stream, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of a sequence number and as of an instant, before and after facts that change every one of them."""
    run = terminal_of(stream.api.bench, capsys)
    files = (tmp_path / f"{number}.csv" for number in range(1000))
    refusals: set[str] = set()

    def printed(command: str, as_of: str) -> tuple[str, bytes]:
        out = next(files)
        if command == "bundle book":
            out = out.with_suffix(".jsonl.gz")
        given = [str(out) if one == OUT else one for one in ASKED[command]]
        try:
            text = run(*command.split(), *given, "--as-of", as_of)
        except Refused as refused:
            refusals.add(command)
            text = f"{refused.code}: {refused}"
        return text.replace(str(out), OUT), out.read_bytes() if out.exists() else b""

    for kind in (
        "settle", "issue", "party", "elsewhere", "market_fact", "unit", "bank", "capital", "bid", "clearing",
        "key", "plan", "forecast", "care",
    ):  # fmt: skip
        stream.take(kind)
    moments = [str(stream.api.bench.recorder.max_notification_id()), stream.api.bench.now.isoformat()]
    asked = [(command, moments[0]) for command in ASKED] + [(command, moments[1]) for command in COUNT_DAYS]
    before = {(command, moment): printed(command, moment) for command, moment in asked}
    assert not refusals, "asked of nothing"
    stream.seal()
    for kind, hours in (
        ("site", 24 * 40), ("reading", -24 * 50), ("settle", 24 * 10 - 1), ("capital", 0), ("close", 24),
        ("cash", 0), ("unit", 0), ("contract", -1), ("calendar", 0), ("care", 0), ("key", 0),
        ("elsewhere", 0),
        ("market_fact", 0), ("bid", 0), ("clearing", 0), ("plan", 0), ("forecast", 0),
    ):  # fmt: skip
        stream.turn_clock(timedelta(hours=hours))
        stream.take(kind)
    for (command, moment), was in before.items():
        assert printed(command, moment) == was, f"{command} as of {moment}"
    last = str(stream.api.bench.recorder.max_notification_id())
    for command in ("statement", "journal", "key list", "story contract", "bid show", "sharing show"):
        assert printed(command, last) != before[command, moments[0]], f"{command}: as of now something else"


def test_what_is_no_moment_is_refused(stream: Stream, capsys: pytest.CaptureFixture[str]) -> None:
    run = terminal_of(stream.api.bench, capsys)
    for wrong in ("999999", "1" * 30, "2999-01-01T00:00:00Z", "2026-08-01", "yesterday", "-1"):
        with pytest.raises(Refused) as refused:
            run("journal", f"--as-of={wrong}")
        assert (refused.value.code, refused.value.place) == ("as_of", "--as-of"), wrong
