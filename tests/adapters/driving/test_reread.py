"""What the book says anew is read until it was, also where PostgreSQL goes away between two questions, and
terms that begin later are followed from then on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from adapters.driving import role as role_module
from adapters.driving.driven_site import FleetBook, fleet_book
from dispatch.planning.storage_terms import StateStorage
from ledger.effective import Period
from tests.adapters.bess_peer.running_peer import peer
from tests.adapters.driving.driver_book import SINCE, TERMS, DriverBook, storage


def test_terms_that_could_not_be_read_at_first_are_followed(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    with peer("bess_swapped") as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))
        read: list[FleetBook] = []
        failed: list[str] = []

        def away_once(*asked: Any) -> FleetBook:
            found = fleet_book(*asked)
            if found.sites["S1"].export_w == 0 and not failed:
                failed.append("the narrower terms")
                raise psycopg.OperationalError("the server closed the connection unexpectedly")
            read.append(found)
            return found

        monkeypatch.setattr(role_module, "fleet_book", away_once)

        async def driven() -> None:
            async with book.driving(a) as role:
                # When it begins, and when it first asks what is new.
                await book.until(lambda: len(read) == 2)
                fleet = role.fleet
                assert fleet is not None
                narrower = msgspec.structs.replace(TERMS, export_w=0)
                await asyncio.to_thread(book.do, StateStorage("S1", SINCE, narrower))
                await book.until(lambda: fleet.book.sites["S1"].export_w == 0)
                await book.until(lambda: book.said[-1] == "plans: well again")
                assert failed

        asyncio.run(driven())


def test_terms_that_begin_later_are_followed_from_then_on(
    book: DriverBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_module, "_TERMS_S", 1.0)
    with peer("bess_swapped") as running:
        a = storage("a", running.ports[0])
        book.furnish((a,))

        async def driven() -> None:
            async with book.driving(a) as role:
                await book.until(lambda: role.fleet is not None)
                fleet = role.fleet
                assert fleet is not None
                since = datetime.now(UTC) + timedelta(seconds=6)
                narrower = msgspec.structs.replace(TERMS, export_w=0)
                await asyncio.to_thread(book.do, StateStorage("S1", Period(since), narrower))
                await book.until(lambda: fleet.book.sites["S1"].export_w == 0, 30)
                assert datetime.now(UTC) >= since

        asyncio.run(driven())
