"""Whether a limit that a person imposes limits anything of a site's storage."""

from __future__ import annotations

from dispatch.planning.imposed_limit import ImposedLimit
from ledger.refusal import Refused
from ledger.site import Site


def check_imposed(limit: ImposedLimit, site: Site) -> None:
    """That no power of the storage is limited to more than it has: such a limit is a slip of the pen.

    What a driver says its devices leave is not asked this: it may be more than the nameplate.

    Raises:
        Refused: `imposed_limit`.
    """
    most = site.storage_power_w
    for place, power in (("charge_w", limit.charge_w), ("discharge_w", limit.discharge_w)):
        if power is not None and power > most:
            wrong = (
                f"{power} W limits nothing: the storage of {site.id} has {most} W; 0 to {most}, or left out"
            )
            raise Refused("imposed_limit", wrong, place=place)
