"""`python -m adapters.reference_market`: start one market from a price file."""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App
from cyclopts import Parameter as Option

from adapters import price_file
from adapters.reference_market.clock import Clock, RealClock, SteppedClock
from adapters.reference_market.drop_folder import DropFolder
from adapters.reference_market.faults import Faults
from adapters.reference_market.journal import Journal
from adapters.reference_market.market import Market
from adapters.reference_market.parameters import Parameters, Participant, parameters
from adapters.reference_market.published_prices import PublishedPrices
from adapters.reference_market.server import serve
from ledger.refusal import Refused

_REFUSED: Final = 2
_POWER_W: Final = 1_000_000_000
"""What a participant of the command line is registered with, each way."""

app = App(
    name="python -m adapters.reference_market",
    help="A spot market operator to trade against: it clears offers around real prices.",
    result_action="return_value",
    version_flags=(),
)


@app.default
def start(
    *,
    prices: Path,
    port: int = 8200,
    host: str = "127.0.0.1",
    state: Path = Path("var/reference-market"),
    settings: Annotated[Path | None, Option(name="--parameters")] = None,
    participant: tuple[str, ...] = (),
    admin_token: str | None = None,
    clock: str = "real",
    drop: Path | None = None,
    price_interval: int = 3600,
    price_zone: str | None = None,
) -> None:
    """Serve until Ctrl-C.

    Args:
        prices: the real market's prices, in the layout of examples/prices or a platform's own
        port: 0 takes a free one, which is printed
        host: the address to listen at
        state: the folder of the journal, from which a market that was killed goes on
        settings: a TOML file with the market's rules and participants (docs/reference-market.md)
        participant: NAME=TOKEN, registered with 1 GW each way; beside those in the parameters
        admin_token: opens the administrator's routes: clock, corrections, faults
        clock: `real`, or an instant with its offset at which the market's clock stands until it is set
        drop: the folder of the file face; none without
        price_interval: seconds of an interval of the price file
        price_zone: the zone of a platform's price file with local hours
    """
    at_start = _clock(clock)
    text = "" if settings is None else settings.read_text(encoding="utf-8")
    rules = _with_participants(parameters(text), participant)
    day_ahead, real_time = price_file.parse(
        prices.read_bytes(),
        market=rules.market,
        node=rules.node,
        currency=rules.currency,
        interval_s=price_interval,
        zone=price_zone,
    )
    published = PublishedPrices(rules, {"day_ahead": day_ahead, "real_time": real_time})
    state.mkdir(parents=True, exist_ok=True)
    journal = Journal(state / "journal.jsonl")
    faults = Faults()
    market = Market(rules, published, journal, at_start)
    folders = None if drop is None else DropFolder(drop, market, faults)
    with socket.create_server((host, port)) as listener:
        at, of = listener.getsockname()[:2]
        print(
            f"reference market at http://{at}:{of}, market time {market.clock.now().isoformat()}", flush=True
        )
        asyncio.run(serve(market, faults, admin_token, listener, folders))
    market.close()


def _with_participants(rules: Parameters, given: tuple[str, ...]) -> Parameters:
    registered = dict(rules.participants)
    for text in given:
        name, equals, token = text.partition("=")
        if not equals or name in registered:
            reason = f"{name!r} is not NAME=TOKEN of a new participant"
            raise Refused("market_participant", reason, place="--participant")
        registered[name] = Participant(token, _POWER_W, _POWER_W)
    if not registered:
        reason = "a market has a participant: --participant NAME=TOKEN, or in --parameters"
        raise Refused("market_participant", reason, place="--participant")
    return msgspec.convert(
        msgspec.to_builtins(msgspec.structs.replace(rules, participants=registered)), Parameters
    )


def _clock(text: str) -> Clock:
    if text == "real":
        return RealClock()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        reason = f"{text!r} is not `real` or an instant such as 2026-01-20T00:00:00+08:00"
        raise Refused("market_clock", reason, place="--clock") from None
    if at.tzinfo is None:
        raise Refused("naive_time", "an instant needs its UTC offset", place="--clock")
    return SteppedClock(at)


def main() -> int:
    """Exit codes: 0 ended by a signal, 2 refused."""
    try:
        app()
    except Refused as refused:
        print(f"refused ({refused.code}): {refused}", file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
