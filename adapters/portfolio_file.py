"""A portfolio as a readable TOML file: the book, its parties, sites, meters and devices."""

from __future__ import annotations

from datetime import UTC, date

import msgspec

from adapters.front_door import FrontDoor, Receipt
from ledger.book import Book, FoundBook
from ledger.command import Command
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.interval import midnight, zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.party import Party, RegisterParty
from ledger.quantity import MINOR_DIGITS, Price
from ledger.refusal import Refused
from ledger.site import RegisterSite, Site
from ledger.toml_file import TomlFile


class Portfolio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file holds; everything in it is in force from local midnight of `effective_from`."""

    book: Book
    effective_from: date
    parties: tuple[Party, ...] = ()
    sites: tuple[Site, ...] = ()
    meters: tuple[Meter, ...] = ()
    devices: tuple[Device, ...] = ()

    def commands(self) -> list[Command]:
        """In the order in which they can be accepted."""
        start = midnight(self.effective_from, zone_of(self.book.zone)).astimezone(UTC)
        period = Period(start)
        return [
            FoundBook(self.book),
            *(RegisterParty(period, party) for party in self.parties),
            *(RegisterSite(period, site) for site in self.sites),
            *(RegisterMeter(period, meter) for meter in self.meters),
            *(RegisterDevice(period, device) for device in self.devices),
        ]


def parse(text: str | bytes) -> Portfolio:
    """The portfolio in a TOML text; an account's `export_price` is a plain number per kWh in its currency.

    Raises:
        Refused: names the line and the field, such as `line 14, sites[0].zone`.
    """
    file = TomlFile(text)
    _price_exports(file)
    return file.struct(Portfolio, file.root, ())


def _price_exports(file: TomlFile) -> None:
    book, sites = file.root.get("book"), file.root.get("sites")
    currency = book.get("currency") if isinstance(book, dict) else None
    if not isinstance(sites, list) or not isinstance(currency, str) or currency not in MINOR_DIGITS:
        return
    for number, site in enumerate(sites):
        account = site.get("account") if isinstance(site, dict) else None
        if not isinstance(account, dict) or type(account.get("export_price")) not in (str, int):
            continue
        try:
            price = Price.parse(str(account["export_price"]), currency, "kWh")
        except Refused as refused:
            wrong = f'{refused.reason}; write {currency} per kWh, such as "0.12"'
            path = ("sites", number, "account", "export_price")
            raise file.refusal(refused.code, wrong, path) from None
        account["export_price"] = msgspec.structs.asdict(price)


def register(door: FrontDoor, portfolio: Portfolio, *, actor: str) -> list[Receipt]:
    """Register everything; what is registered just so already is not registered again.

    Raises:
        Refused: the first entry that is not acceptable, a site's with its field, such as `sites[0].tariff`;
            the entries before it are stored.
    """
    receipts = []
    for command in portfolio.commands():
        try:
            receipts.append(door.record(command, actor=actor))
        except Refused as refused:
            place = _place(portfolio, command, refused.place)
            raise Refused(refused.code, refused.reason, place=place) from None
    return receipts


def _place(portfolio: Portfolio, command: Command, field: str) -> str:
    """The field's path in the file, where the command says which field of the site it is refused for."""
    kind, _, rest = field.partition(".")
    if not isinstance(command, RegisterSite) or kind != "site":
        return field
    return f"sites[{portfolio.sites.index(command.site)}].{rest}"
