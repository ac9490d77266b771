"""The kinds of links between events. A new one is one file here and one line below.

Nothing else knows a kind by name: the projection writes what each finds, and stories show it from both ends.
Versions of one aggregate follow each other without a link being stored: their numbers say so.
"""

from __future__ import annotations

from typing import Final

from adapters.links import (
    approved,
    binds_for,
    calls_bid,
    cleared_in,
    closed_run,
    credit,
    disclosed_run,
    dispute_run,
    final_run,
    follows_plan,
    hands_over,
    invoice_number,
    obeys,
    of_contract,
    of_import,
    of_meter,
    paid_statement,
    planned_for,
    rests_on,
    seen_in,
    settled_in,
    shares_award,
    shares_out,
    stands_on,
    stated_run,
    told_under,
)
from adapters.links.link import LinkKind

LINKS: Final[tuple[LinkKind, ...]] = (
    of_import.KIND,
    of_meter.KIND,
    stands_on.KIND,
    of_contract.KIND,
    told_under.KIND,
    shares_out.KIND,
    approved.KIND,
    rests_on.KIND,
    final_run.KIND,
    disclosed_run.KIND,
    stated_run.KIND,
    dispute_run.KIND,
    invoice_number.KIND,
    paid_statement.KIND,
    credit.KIND,
    closed_run.KIND,
    binds_for.KIND,
    calls_bid.KIND,
    cleared_in.KIND,
    shares_award.KIND,
    hands_over.KIND,
    planned_for.KIND,
    follows_plan.KIND,
    obeys.KIND,
    seen_in.KIND,
    settled_in.KIND,
)

FOLLOWS: Final = ("follows", "followed_by")
"""The link between two versions of one aggregate, forward in time and back."""
NAMES: Final = "names"
"""What an event is about: no link to another event, but what stories find it by."""
KNOWN_AS: Final = "is"
"""What an event is itself."""
