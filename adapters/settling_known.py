"""What is recorded of a month that is settled again: its runs, and what they were settled from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.kept import kept
from ledger.interval import Month
from ledger.settlement.inputs import Inputs, Part, digest_of
from ledger.settlement.run import INITIAL, PROVISIONAL
from ledger.tariff import Tariff

_decode_parts = msgspec.json.Decoder(dict[Part, str]).decode


class KnownRun(NamedTuple):
    run: int
    kind: str
    digest: str
    sequence: int


class KnownRuns(NamedTuple):
    """What is recorded of a contract's month: how many runs, the latest paying and the latest provisional."""

    runs: int = 0
    paying: KnownRun | None = None
    provisional: KnownRun | None = None

    @property
    def corrections(self) -> int:
        """How many of them correct another."""
        return 0 if self.paying is None or self.paying.kind == INITIAL else int(self.paying.kind.split()[-1])

    def next_kind(self, through: date | None) -> str:
        """Of the run that comes next, as `RecordSettlement` decides it."""
        if through is not None:
            return PROVISIONAL
        return INITIAL if self.paying is None else f"correction {self.corrections + 1}"

    def comparable(self, through: date | None) -> bool:
        """Whether equal inputs mean that nothing is to be recorded: a provisional run after the initial one
        is refused, whatever its inputs."""
        return through is None or self.paying is None


def known_runs(
    connection: Connection, contracts: Sequence[str], month: Month, position: int
) -> dict[str, KnownRuns]:
    """The runs of the contracts' month; a contract without any is left out."""
    rows = connection.execute(
        "SELECT contract, run, run_kind, inputs_digest, sequence FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND sequence <= %s ORDER BY contract, run",
        [list(contracts), str(month), position],
    )
    found: dict[str, KnownRuns] = {}
    for contract, run, kind, digest, sequence in rows:
        before = found.get(contract, KnownRuns())
        one = KnownRun(run, kind, digest, sequence)
        found[contract] = (
            before._replace(runs=run, provisional=one)
            if kind == PROVISIONAL
            else before._replace(runs=run, paying=one)
        )
    return found


def restated(
    connection: Connection, batch: Sequence[Inputs], now: Mapping[str, Mapping[Part, str]], position: int
) -> dict[str, dict[Part, str]]:
    """By contract, the digests of its latest run as they are made now: of those runs that were settled from
    other inputs than `now` has the digests of, prices among them, and from digests of whole tariffs.

    Such a run is compared by the prices that were in force in its month, as a newer run's digest is.
    """
    given = {one.contract.id: one for one in batch if one.contract.id in now}
    if not given:
        return {}
    rows = connection.execute(
        "SELECT latest.contract, latest.position, (latest.result->'inputs')::text FROM ("
        "SELECT DISTINCT ON (contract) contract, position, inputs_digest, result FROM ledger.settlement"
        " WHERE contract = ANY(%(names)s) AND month = %(month)s AND sequence <= %(position)s"
        " AND (run_kind = 'provisional') = %(provisional)s ORDER BY contract, run DESC) AS latest"
        " JOIN unnest(%(names)s::text[], %(digests)s::text[], %(prices)s::text[])"
        " AS now (contract, digest, price) USING (contract)"
        " WHERE latest.inputs_digest <> now.digest AND latest.result->'inputs'->>'price' <> now.price",
        {
            "names": list(given),
            "digests": [digest_of(now[name]) for name in given],
            "prices": [now[name]["price"] for name in given],
            "month": str(batch[0].month),
            "position": position,
            "provisional": batch[0].through is not None,
        },
    ).fetchall()
    if not rows:
        return {}
    tariffs = registered.load(connection, "tariff", Tariff, position).versions
    found: dict[str, dict[Part, str]] = {}
    for name, read_at, text in rows:
        before = kept(_decode_parts, text, f"table settlement, {name}")
        then = {
            tariff: known[-1].document
            for tariff, versions in tariffs.items()
            if (known := [one for one in versions if one.sequence <= read_at])
        }
        again = given[name].restated(before, then)
        if again is not None:
            found[name] = again
    return found


def same_inputs(last: KnownRun, digest: str, restated: Mapping[Part, str] | None) -> bool:
    """Whether a run was settled from the inputs that have `digest` now."""
    return digest in {last.digest, digest_of(restated) if restated is not None else last.digest}
