"""Commands about bids: written from a file, checked, approved by another, submitted, taken back, shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli import bid_answers, bid_text, given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.decoder_refusal import decoder_refusal
from adapters.desk.bid_csv import BidTable, WrittenBid, template
from adapters.desk.checking import checked_bid
from adapters.desk.desk import Desk
from adapters.desk.receipt import signed_receipt
from adapters.queries import bids
from adapters.queries.bids import BidFilter
from adapters.queries.market_gates import market_on, rules_of
from adapters.stack import Stack
from ledger.quantity import exact
from ledger.refusal import Refused
from trading.bid import Bid
from trading.bid_life import BidState, Status
from trading.product import MICRO

_WHAT = "a bid in CSV (wattledger bid template writes one) or JSON (the body of POST /v1/bids)"
_DIGEST_MIN = 8
_LISTED = 1000

Name = Annotated[str, Parameter(help="the bid's id")]
Revision = Annotated[int | None, Parameter(help="the revision; the newest, if not stated")]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/bids`."""

    bid: Bid
    revision: int = 0


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="bid", help="Bids: write, check, approve, submit, take back, show.")
    app.command(group)
    _add_life(group, session)
    _add_decisions(group, session)
    bid_answers.add_to(group, session)
    _add_reads(group, session)


def _add_life(group: App, session: Session) -> None:
    @group.command(name="template")
    def write_template(
        market: str,
        product: str,
        day: date,
        *,
        out: Annotated[Path | None, Parameter(help="write to this new file (.csv)")] = None,
    ) -> None:
        """Write the table of a delivery day with nothing offered, to be filled in: MW, prices as shown."""
        with session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                rules, _ = market_on(connection, position, market, day)
        text = template(rules, rules.product(product), day)
        if out is None:
            print(text, end="")
        else:
            given_file.check_new(out, (".csv",))
            given_file.write(out, text.encode())

    @group.command
    def propose(
        unit: str,
        market: str,
        product: str,
        day: date,
        *,
        by: As,
        name: Annotated[str | None, Parameter(help="the bid's id; UNIT-PRODUCT-DAY, if not stated")] = None,
        wear: Annotated[str, Parameter(help="what a kWh of throughput wears, in the currency")] = "0",
        deviation: Annotated[str, Parameter(help="what a kWh off an award costs, in the currency")] = "0",
        show: Annotated[
            bool, Parameter(negative=(), help="show it with its reasons, and write nothing")
        ] = False,
    ) -> None:
        """Write the draft of a bid from the newest forecast of the price: why this quantity, at this price.

        It is a draft as any other: nothing is submitted, and what the desk's rules ask for comes after.
        """
        # The optimiser takes a second to import: no other command pays for it.
        from adapters.planning.drafting import Asked, proposal, told

        asked = Asked(unit, market, product, day, _micro(wear, "--wear"), _micro(deviation, "--deviation"))
        with session.open() as stack:
            position, desk = stack.caught_up(), _desk(stack)
            wanted = name or f"{unit}-{product}-{day}"
            with stack.database.reading(stack.settings.book) as connection:
                found = proposal(desk, connection, position, asked, wanted)
                rules, _ = market_on(connection, position, market, day)
            for line in told(found, rules.product(product)):
                print(line)
            if show:
                return
            state = desk.door.state(f"bid.{wanted}")
            upon = state.draft.revision if isinstance(state, BidState) else 0
            receipt = desk.draft(found.bid, revision=upon, command_id=once(), actor=by)
            print(f"{bid_text.stored(desk, wanted, receipt)}; {found.bid.note}")

    @group.command
    def draft(
        file: Path,
        *,
        by: As,
        revision: Annotated[
            int | None, Parameter(help="the revision that it replaces, of a CSV; 0, if not stated: a new bid")
        ] = None,
    ) -> None:
        """Write a bid, or the next revision of one. Nothing is offered to the market yet."""
        with session.open() as stack:
            desk, (written, stated) = _desk(stack), _read(stack, file)
            upon = stated if revision is None else revision
            try:
                receipt = desk.draft(written.bid, revision=upon, command_id=once(), actor=by)
            except Refused as refused:
                raise written.placed(refused) from None
            print(bid_text.stored(desk, written.bid.id, receipt))

    @group.command
    def check(file: Path, *, by: As = "cli") -> int:
        """Say whether a bid would be accepted now, and what it would use of each limit. Nothing is stored.

        Ends with 1 when it would be refused.
        """
        with session.open() as stack:
            stack.caught_up()
            written, _ = _read(stack, file)
            try:
                found = checked_bid(_desk(stack), written.bid, by, stack.clock())
            except Refused as refused:
                raise written.placed(refused) from None
        print(bid_text.checked(found), end="")
        return 1 if found.problems else 0

    @group.command
    def submit(name: Name, *, by: As, revision: Revision = None) -> None:
        """Submit an approved bid: its power is bound, and the gateway may send it."""
        with session.open() as stack:
            stack.caught_up()
            desk = _desk(stack)
            wanted = _revision(desk, name, revision)
            print(bid_text.stored(desk, name, desk.submit(name, wanted, command_id=once(), actor=by)))

    @group.command
    def withdraw(name: Name, reason: str, *, by: As) -> None:
        """Ask the market to give a submitted bid back, while its gate is open."""
        with session.open() as stack:
            desk = _desk(stack)
            print(bid_text.stored(desk, name, desk.ask_withdrawal(name, reason, command_id=once(), actor=by)))


def _micro(text: str, place: str) -> int:
    """Money per kWh as millionths.

    Raises:
        Refused: `number`.
    """
    value = exact(text) * MICRO
    if value.denominator != 1 or value < 0:
        raise Refused("number", f"{text!r} is not 0 or more, with at most 6 decimals", place=place)
    return value.numerator


def _add_decisions(group: App, session: Session) -> None:
    @group.command
    def approve(
        name: Name,
        *,
        digest: Annotated[
            str, Parameter(help="of what you have read: the first 8 or more characters that bid show prints")
        ],
        by: As,
    ) -> None:
        """Approve what somebody else wrote."""
        with session.open() as stack:
            desk = _desk(stack)
            draft = desk.state(name).draft
            if len(digest) < _DIGEST_MIN or not draft.digest.startswith(digest):
                wrong = (
                    f"revision {draft.revision} of {name} has another digest; read it: wattledger bid show"
                )
                raise Refused("bid_revision", wrong, place="--digest")
            receipt = desk.approve(name, draft.revision, draft.digest, command_id=once(), actor=by)
            print(bid_text.stored(desk, name, receipt))

    @group.command
    def override(name: Name, limit: str, reason: str, *, by: As, revision: Revision = None) -> None:
        """Let a bid that somebody else wrote exceed a limit, with the reason."""
        with session.open() as stack:
            desk = _desk(stack)
            wanted = _revision(desk, name, revision)
            print(
                bid_text.stored(
                    desk, name, desk.override(name, wanted, limit, reason, command_id=once(), actor=by)
                )
            )


def _add_reads(group: App, session: Session) -> None:
    @group.command
    def show(name: Name, *, format: Literal["text", "json"] = "text", as_of: AsOf = None) -> None:
        """Show a bid: its newest revision in MW and the market's prices, and what stands at the market."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = bids.bid(connection, position, name)
                rules, product = rules_of(connection, position, found.state.draft)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print(bid_text.shown(found, rules, product), end="")

    @group.command(name="list")
    def list_bids(
        *,
        market: str | None = None,
        product: str | None = None,
        unit: str | None = None,
        since: Annotated[date | None, Parameter(name="--from", help="from this delivery day on")] = None,
        until: Annotated[date | None, Parameter(name="--to", help="up to this delivery day")] = None,
        status: Annotated[Status | None, Parameter(help="of the newest revision")] = None,
        live: Annotated[
            bool | None, Parameter(help="only what may still be awarded, or what may not")
        ] = None,
        as_of: AsOf = None,
    ) -> None:
        """List bids by id: at most 1,000."""
        wanted = BidFilter(
            market=market,
            product=product,
            unit=unit,
            first_day=since,
            last_day=until,
            status=status,
            live=live,
        )
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = bids.bids(connection, position, wanted, limit=_LISTED)
        for one in found:
            print(bid_text.line(one))
        print(counted(len(found), "bid"))

    @group.command
    def receipt(
        name: Name,
        *,
        out: Annotated[Path | None, Parameter(help="write to this new file (.txt)")] = None,
        as_of: AsOf = None,
    ) -> None:
        """Print the desk's signed word that a bid was submitted in time (C2SP signed note).

        `log inclusion SEQUENCE` proves that its event is in the log.
        """
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                _, note = signed_receipt(connection, stack.published, name, position)
        if out is None:
            print(note, end="")
        else:
            given_file.check_new(out, (".txt",))
            given_file.write(out, note.encode())


def _desk(stack: Stack) -> Desk:
    return Desk(stack.door, stack.database)


def _revision(desk: Desk, name: str, stated: int | None) -> int:
    return desk.state(name).draft.revision if stated is None else stated


def _read(stack: Stack, file: Path) -> tuple[WrittenBid, int]:
    """The bid in a file, and the revision that it says it is written upon."""
    data = given_file.read(file, _WHAT)
    if file.suffix.lower() != ".json":
        table = BidTable(data)
        return table.written(*_desk(stack).product_of(table.empty)), 0
    try:
        body = msgspec.json.decode(data, type=_Body)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, _Body) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None
    if not body.bid.note.isprintable():
        raise Refused("control_character", "a note is one line of text", place="bid.note")
    return WrittenBid(body.bid, {}), body.revision
