"""Commands about what a site's storage may be used for, and what it can do for a time at most."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.decoder_refusal import decoder_refusal
from adapters.imposing import check_imposed
from adapters.stack import Stack
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.effective import History, Period
from ledger.interval import Instant, midnight, zone_of
from ledger.refusal import Refused
from ledger.site import Site

_WHAT = "a storage's terms in JSON (docs/planning.md has them)"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="storage", help="What sites' storages may be used for, which plans keep to.")
    app.command(group)

    @group.command
    def terms(
        site: str,
        file: Path,
        *,
        since: Annotated[date, Parameter(name="--from", help="the site's local day from which they hold")],
        until: Annotated[date | None, Parameter(name="--to", help="the first local day without them")] = None,
        by: As,
    ) -> None:
        """State what a site's storage may be used for, from a JSON file."""
        data = given_file.read(file, _WHAT)
        try:
            found = msgspec.json.decode(data, type=StorageTerms)
        except msgspec.ValidationError as error:
            raise decoder_refusal(error, StorageTerms) from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None
        with session.open() as stack:
            zone = zone_of(_site(stack, site).zone)
            end = None if until is None else midnight(until, zone).astimezone(UTC)
            period = Period(midnight(since, zone).astimezone(UTC), end)
            receipt = stack.door.execute(StateStorage(site, period, found), command_id=once(), actor=by)
        print(f"terms of the storage of {site}: event {receipt.sequence}")

    @group.command
    def limit(
        site: str,
        reason: str,
        *,
        charge_w: int | None = None,
        discharge_w: int | None = None,
        import_w: int | None = None,
        export_w: int | None = None,
        since: Annotated[
            str | None, Parameter(name="--from", help="an instant with its offset; if not stated now")
        ] = None,
        until: Annotated[str | None, Parameter(name="--to", help="an instant with its offset")] = None,
        by: As,
    ) -> None:
        """Impose what a site can do at most for a time, or, stating no power, lift what was imposed.

        A site with --charge-w 0 --discharge-w 0 is lost: the planning role plans the others at once.
        """
        found = ImposedLimit(
            reason=reason, charge_w=charge_w, discharge_w=discharge_w, import_w=import_w, export_w=export_w
        )
        with session.open() as stack:
            check_imposed(found, _site(stack, site))
            start = stack.clock() if since is None else _instant(since, "--from")
            period = Period(start, None if until is None else _instant(until, "--to"))
            receipt = stack.door.execute(ImposeLimit(site, period, found), command_id=once(), actor=by)
        print(f"limits of {site}: event {receipt.sequence}")


def _site(stack: Stack, name: str) -> Site:
    history = stack.door.state(f"site.{name}")
    if not isinstance(history, History):
        raise Refused("unknown_site", f"no site {name!r} is registered", place="SITE")
    document = history.latest.document
    assert isinstance(document, Site)
    return document


def _instant(text: str, place: str) -> datetime:
    try:
        return msgspec.convert(text, Instant)
    except msgspec.ValidationError:
        allowed = "an instant with its offset such as 2026-08-01T00:00:00Z"
        raise Refused("instant", f"{text!r} is not {allowed}", place=place) from None
