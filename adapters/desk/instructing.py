"""What was called is an instruction: each invitation that a call became is called for its whole time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import msgspec

from adapters.desk.calling import is_called
from adapters.desk.desk import Desk
from adapters.desk.handover_name import command_id
from adapters.front_door import Wish
from adapters.links.known_as import clearing_thing
from adapters.nats.log import BATCH_MESSAGES_MAX
from adapters.settling import wait_until
from ledger.market_fact import RecordMarketFact
from ledger.streams.demand_response import DemandResponseInstruction, DemandResponseInvitation
from trading.award import SharedAward, aggregate_of
from trading.clearing import Clearing, ClearingState, clearing_id
from trading.handover import WINDOWS_MAX, fact_id

_CALL: Final = "-call"
_PROJECTED_S: Final = 60.0
_decode: Final = msgspec.json.Decoder(DemandResponseInvitation).decode


class Instructing:
    """One desk's instructions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._door = desk.door

    def follow_up(self, market: str, product: str, day: date, *, actor: str) -> Iterator[str]:
        """A line for each bid whose invitations were called; nothing for a clearing that no call made.

        Raises:
            Refused: what `RecordMarketFact` refuses.
        """
        _, its_product = self._desk.product_on(market, product, day)
        state = self._door.state(f"clearing.{clearing_id(market, product, day)}")
        if its_product.kind != "demand_response" or its_product.settles_as is None:
            return
        if not isinstance(state, ClearingState) or not is_called(state.latest.run):
            return
        invited = self._invited(its_product.settles_as.rule, state.latest)
        for award in state.latest.awards:
            wishes = list(self._wishes(award.bid, state.latest, invited))
            recorded = 0
            for start in range(0, len(wishes), BATCH_MESSAGES_MAX):
                receipts = self._door.execute_all(
                    wishes[start : start + BATCH_MESSAGES_MAX],
                    actor=actor,
                    causation=clearing_thing(state.latest.id, state.latest.run),
                )
                recorded += sum(not one.repeated for one in receipts)
            if recorded:
                yield f"bid {award.bid}: {recorded} instructions handed over"

    def _wishes(
        self, bid: str, clearing: Clearing, invited: dict[str, DemandResponseInvitation]
    ) -> Iterator[Wish]:
        number, parts = 1, 1
        while number <= parts:
            name = aggregate_of(bid, number)
            part = self._door.state(name)
            if not isinstance(part, SharedAward) or part.run != clearing.run:
                return
            parts, number = part.parts, number + 1
            for site in part.sites:
                for window in range(1, WINDOWS_MAX + 1):
                    invitation = invited.get(fact_id(bid, site, str(window)))
                    if invitation is not None:
                        fact = self._instruction(bid, site, window, clearing, invitation)
                        yield Wish(RecordMarketFact(fact), command_id(name, clearing.run))

    @staticmethod
    def _instruction(
        bid: str, site: str, window: int, clearing: Clearing, invitation: DemandResponseInvitation
    ) -> DemandResponseInstruction:
        return DemandResponseInstruction(
            id=fact_id(bid, site, f"{window}{_CALL}"),
            site=site,
            rule=invitation.rule,
            run=clearing.run,
            interval=invitation.interval,
            invitation=invitation.id,
            issued=invitation.announced,
        )

    def _invited(self, rule: str, clearing: Clearing) -> dict[str, DemandResponseInvitation]:
        """The invitations that the run in force handed over."""
        log = self._door.recorder.log
        wait_until(self._desk.database, self._door.book, log.client.run(log.last_sequence()), _PROJECTED_S)
        with self._desk.database.reading(self._door.book) as connection:
            rows = connection.execute(
                "SELECT id, document::text FROM ledger.registered WHERE kind = 'market_fact'"
                " AND to_seq IS NULL AND document->>'rule' = %s AND document->>'run' = %s"
                " AND document->>'type' = 'demand_response_invitation'",
                [rule, clearing.run],
            ).fetchall()
        return {name: _decode(text) for name, text in rows}
