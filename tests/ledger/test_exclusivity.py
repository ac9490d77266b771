"""No kWh and no kW is sold twice, whatever is claimed in whatever order (DOMAIN.md 4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.exclusivity.claim import PURPOSES, QUANTITIES, Claim, Node, Storage
from ledger.exclusivity.conflict import NODES, Conflicts
from ledger.exclusivity.grant import Granted, decision_order, grant_claims
from ledger.exclusivity.policy import MATRIX_STREAMS, Cell, Policy, Relation
from ledger.exclusivity.policy_file import parse
from ledger.exclusivity.refused_part import refused_parts
from ledger.interval import Interval
from ledger.refusal import Refused

EXAMPLES = Path(__file__).parents[2] / "examples" / "exclusivity"
START = datetime(2026, 8, 31, 15, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
POWER_W = 10


def policy(name: str = "rule_based", **switches: str) -> Policy:
    found = parse((EXAMPLES / f"{name}.toml").read_bytes())
    return msgspec.structs.replace(found, switches_on=switches)


def ordered(found: Policy, deciding: str) -> Policy:
    order = msgspec.structs.replace(found.order, bid=deciding, plan=deciding, settlement=deciding)
    return msgspec.structs.replace(found, order=order)


RULES = {
    (name, deciding): Conflicts(ordered(policy(name), deciding))
    for name in ("rule_based", "strict")
    for deciding in ("arrival", "precedence")
}
BY_ARRIVAL = RULES["rule_based", "arrival"]
BY_PRECEDENCE = RULES["rule_based", "precedence"]


def whole(numbers: Iterable[int]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.int64)


def claim(name: str, stream: str, purpose: str = "", *, first: int = 0, sustain_s: int = 0, **kinds) -> Claim:
    arrays = {kind: whole(numbers) for kind, numbers in kinds.items()}
    count = len(next(iter(arrays.values()), [0]))
    begin = START + first * QUARTER
    return Claim(
        id=name,
        stream=stream,
        site="s1",
        purpose=purpose or PURPOSES[stream][0],
        interval=Interval(begin, begin + count * QUARTER),
        sustain_s=sustain_s,
        **arrays,
    )


def storage(discharge=(100,), charge=None, months=None, scheduled=None, floor=None, ceiling=None) -> Storage:
    count = len(discharge)
    return Storage(
        site="s1",
        start=START,
        interval_s=900,
        discharge_w_max=POWER_W,
        charge_w_max=POWER_W,
        account_month=whole(months or [0] * count),
        discharge_wh=whole(discharge),
        charge_wh=whole(charge or [0] * count),
        scheduled_w=whole(scheduled or [0] * count),
        above_floor_wh=None if floor is None else whole(floor),
        below_ceiling_wh=None if ceiling is None else whole(ceiling),
    )


def got(granted: Granted, name: str, quantity: str = "discharge_wh") -> list[int]:
    return granted.of(name).granted(quantity).tolist()


# --- the matrix as data ---------------------------------------------------------------------------

SHORT = dict(zip(MATRIX_STREAMS, ["A", "T", "M", "DR", "SP", "AS", "CAP", "lease"], strict=True))
TABLE = {
    "A T": "E", "A M": "Y", "A DR": "E C", "A SP": "X", "A AS": "W E",
    "T M": "Y", "T DR": "E C", "T SP": "X C", "T AS": "W",
    "M DR": "Y", "M SP": "Y", "M AS": "W",
    "DR SP": "W X C", "DR AS": "W", "SP AS": "W", "CAP lease": "W",
}  # fmt: skip
"""DOMAIN.md 4, read by hand (A x AS: "W; AGC energy not counted as A"). CAP stacks; a lease is W."""


def test_the_default_policy_is_the_table() -> None:
    for cell in policy().cells:
        pair = f"{SHORT[cell.first]} {SHORT[cell.second]}"
        otherwise = "W" if cell.second == "capacity_lease" else "Y"
        assert cell.letters == TABLE.get(pair, otherwise), pair
        assert cell.source.startswith("DOMAIN.md")
    assert len(policy().cells) == 28


def test_strict_excludes_everything_against_everything() -> None:
    found = policy("strict")
    assert all("exclusive_interval" in cell.relations and cell.switch is None for cell in found.cells)
    assert len({cell.pair for cell in found.cells}) == 28


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('relations = ["same_energy"]', 'relations = ["same"]', "not_allowed"),
        ('relations = ["same_energy"]', 'relations = ["stack", "same_energy"]', "relations"),
        ('relations = ["same_energy"]', "relations = []", "relations"),
        ('second = "pv_time_shift"', 'second = "arbitrage"', "matrix_pair"),
        ('second = "pv_time_shift"', 'second = "spot"', "matrix_pair"),
        ('"capacity_lease",\n  "ancillary"', '"ancillary",\n  "ancillary"', "precedence"),
        ('bid = "arrival"', 'bid = "first"', "not_allowed"),
        ('bid = "arrival"\n', "", "field_missing"),
        ('source = "DOMAIN.md 4, A x T"', 'source = " "', "source"),
        ("[order]", '[switches_on]\nnone = "x"\n\n[order]', "switch"),
        ("[order]", '[switches_on]\nresponse_with_spot = ""\n\n[order]', "source"),
    ],
)  # fmt: skip
def test_a_policy_that_is_not_complete_is_refused(old: str, new: str, code: str) -> None:
    text = (EXAMPLES / "rule_based.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(Refused) as caught:
        parse(text.replace(old, new, 1))
    assert caught.value.code == code
    assert caught.value.place.startswith("line ")


def test_a_ring_of_conflicts_is_refused() -> None:
    """Half of the Wh for each of five streams round a ring fits every sum and needs five quarters."""
    ring = ["arbitrage", "pv_time_shift", "demand_response", "ancillary", "demand_charge"]
    pairs = {frozenset((a, b)) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)}
    base = policy()

    def cell(old: Cell) -> Cell:
        relation = "same_energy" if old.pair in pairs else "stack"
        return msgspec.structs.replace(old, relations=(relation,), switch=None)

    with pytest.raises(Refused) as caught:
        Conflicts(msgspec.structs.replace(base, cells=tuple(cell(old) for old in base.cells)))
    assert caught.value.code == "matrix_unassignable"


def test_no_matrix_lets_two_markets_have_one_kwh_or_one_kw() -> None:
    """Each kWh that a market pays for has one primary stream, each kW·interval one commitment set."""
    base = ordered(policy(), "arrival")
    cells = tuple(msgspec.structs.replace(c, relations=("stack",), switch=None) for c in base.cells)
    rules = Conflicts(msgspec.structs.replace(base, cells=cells))
    claims = [
        claim("dr", "demand_response", discharge_wh=[70], up_w=[7]),
        claim("agc", "ancillary", discharge_wh=[70], up_w=[7]),
        claim("sp", "spot", discharge_wh=[70], up_w=[7]),
        claim("lease", "capacity_lease", up_w=[7]),
        claim("cap", "capacity", up_w=[7]),
        claim("a", "arbitrage", discharge_wh=[70], up_w=[7]),
    ]
    granted = grant_claims(rules, storage(), claims, use="bid")
    assert [got(granted, name) for name in ("dr", "agc", "sp", "a")] == [[70], [30], [0], [70]]
    power = [got(granted, name, "up_w") for name in ("dr", "agc", "sp", "lease", "cap", "a")]
    assert power == [[7], [3], [0], [0], [7], [7]]
    rules_named = {a.rule for part in refused_parts(granted) for a in part.against}
    assert rules_named == {"one_primary_stream", "one_commitment_set"}


# --- cases that a person can follow ----------------------------------------------------------------


def test_the_increment_earns_the_response_and_still_lowers_the_bill() -> None:
    """A x DR: E on kWh inside the baseline; the increment is tagged DR, the bill saving shown apart."""
    claims = [
        claim("habit", "arbitrage", "baseline", discharge_wh=[60]),
        claim("more", "arbitrage", "bill", discharge_wh=[40]),
        claim("dr", "demand_response", discharge_wh=[100]),
    ]
    granted = grant_claims(BY_ARRIVAL, storage(), claims, use="settlement")
    assert (got(granted, "habit"), got(granted, "more"), got(granted, "dr")) == ([60], [40], [40])
    (part,) = refused_parts(granted)
    assert (part.claim, part.refused, part.beyond) == ("dr", 60, 0)
    assert [(a.claim, a.held, a.rule) for a in part.against] == [("habit", 60, "same_energy_baseline")]
    assert part.interval == Interval(START, START + QUARTER)
    for word in ("dr (demand_response)", "100 Wh", "gets 40", "habit (arbitrage)", "DOMAIN.md 4, A x DR"):
        assert word in part.words
    backwards = grant_claims(BY_PRECEDENCE, storage(), claims[::-1], use="settlement")
    assert got(backwards, "dr") == [40], "a baseline is no response, whoever came first"
    assert [grant.claim.id for grant in backwards.grants] == ["dr", "more", "habit"]


def test_a_switch_takes_the_bill_saving_from_a_paid_response() -> None:
    rules = Conflicts(policy(response_without_saving="Province X, notice 1"))
    claims = [
        claim("a", "arbitrage", discharge_wh=[100]),
        claim("dr", "demand_response", discharge_wh=[70]),
    ]
    granted = grant_claims(rules, storage(), claims, use="settlement")
    assert (got(granted, "a"), got(granted, "dr")) == ([30], [70])
    (part,) = refused_parts(granted)
    assert part.against[0].source == "Province X, notice 1"


def test_arrival_and_precedence_differ_only_in_who_keeps() -> None:
    claims = [claim("a", "arbitrage", discharge_wh=[80]), claim("agc", "ancillary", discharge_wh=[50])]
    first = grant_claims(BY_ARRIVAL, storage(), claims, use="bid")
    assert (got(first, "a"), got(first, "agc")) == ([80], [20])
    ranked = grant_claims(BY_PRECEDENCE, storage(), claims, use="settlement")
    assert (got(ranked, "a"), got(ranked, "agc")) == ([50], [50])
    default = Conflicts(policy())
    assert got(grant_claims(default, storage(), claims, use="bid"), "agc") == [20]
    assert got(grant_claims(default, storage(), claims, use="settlement"), "agc") == [50]


def test_an_account_month_is_at_the_tariff_or_at_spot() -> None:
    """A x SP: X per account-month; the month is the account's own and not the calendar's."""
    where = storage(discharge=[9, 9, 9, 9], months=[0, 0, 1, 1])
    claims = [
        claim("sp", "spot", discharge_wh=[0, 5, 0, 0]),
        claim("a", "arbitrage", discharge_wh=[9, 4, 3, 9]),
    ]
    granted = grant_claims(BY_ARRIVAL, where, claims, use="settlement")
    assert got(granted, "a") == [0, 0, 3, 9]
    parts = list(refused_parts(granted))
    assert [(part.refused, part.against[0].held) for part in parts] == [(9, 0), (4, 5)]
    assert list(refused_parts(granted, of=("arbitrage",))) == parts
    assert (
        list(refused_parts(granted, of=("spot",))) == list(refused_parts(granted, purposes=("market",))) == []
    )
    assert {part.against[0].rule for part in parts} == {"exclusive_account_month"}


def test_self_use_and_export_exclude_each_other_toward_the_grid_only() -> None:
    """T x SP: X for the export leg; the switch allows different kWh."""
    where = storage(discharge=[10, 10], charge=[7, 7])
    claims = [
        claim("t", "pv_time_shift", discharge_wh=[4, 0], charge_wh=[0, 3]),
        claim("sp", "spot", discharge_wh=[6, 6], charge_wh=[7, 4]),
    ]
    granted = grant_claims(BY_ARRIVAL, where, claims, use="settlement")
    assert got(granted, "sp") == [0, 6]
    assert got(granted, "sp", "charge_wh") == [7, 4]
    allowed = Conflicts(ordered(policy(self_use_with_export="contract 7"), "arrival"))
    both = grant_claims(allowed, where, claims, use="settlement")
    assert got(both, "sp") == [6, 6]


def test_response_and_spot_share_no_interval_unless_the_province_says_so() -> None:
    """DR x SP: default X; W in any case."""
    claims = [claim("dr", "demand_response", up_w=[6, 0]), claim("sp", "spot", up_w=[6, 6])]
    where = storage(discharge=[0, 0])
    assert got(grant_claims(BY_ARRIVAL, where, claims, use="bid"), "sp", "up_w") == [0, 6]
    allowed = Conflicts(policy(response_with_spot="Province X, notice 2"))
    assert got(grant_claims(allowed, where, claims, use="bid"), "sp", "up_w") == [4, 6]


def test_capacity_stacks_with_all_but_a_lease_and_is_paid_while_the_storage_runs() -> None:
    claims = [
        claim("cap", "capacity", up_w=[10]),
        claim("agc", "ancillary", up_w=[9]),
        claim("lease", "capacity_lease", up_w=[5]),
    ]
    where = storage(discharge=[0], scheduled=[4])
    granted = grant_claims(BY_ARRIVAL, where, claims, use="bid")
    assert [got(granted, name, "up_w") for name in ("cap", "agc", "lease")] == [[10], [6], [0]]
    leased = grant_claims(BY_PRECEDENCE, where, claims, use="plan")
    assert [got(leased, name, "up_w") for name in ("cap", "agc", "lease")] == [[5], [1], [5]]


def test_a_reserve_for_the_peak_and_a_response_use_the_same_power_but_regulation_does_not() -> None:
    """M x DR Y, M x AS W, DR x AS W: 6 W for M and DR at once leave 4 W of 10 for AS."""
    claims = [
        claim("m", "demand_charge", up_w=[6]),
        claim("dr", "demand_response", up_w=[5]),
        claim("agc", "ancillary", up_w=[8]),
    ]
    granted = grant_claims(BY_ARRIVAL, storage(discharge=[0]), claims, use="bid")
    assert [got(granted, name, "up_w") for name in ("m", "dr", "agc")] == [[6], [5], [4]]
    (part,) = refused_parts(granted)
    assert [a.claim for a in part.against] == ["m"]


def test_power_up_and_down_leave_room_around_the_schedule() -> None:
    claims = [claim("agc", "ancillary", up_w=[10, 10], down_w=[10, 20])]
    granted = grant_claims(BY_ARRIVAL, storage(discharge=[0, 0], scheduled=[4, -3]), claims, use="plan")
    assert got(granted, "agc", "up_w") == [6, 10]
    assert got(granted, "agc", "down_w") == [10, 7]


def test_committed_power_must_be_held_from_stored_energy() -> None:
    """DOMAIN.md 4: energy >= sum of duration. 10 Wh hold 8 W for an hour and 4 W for half of one."""
    claims = [
        claim("dr", "demand_response", up_w=[8], sustain_s=3600),
        claim("agc", "ancillary", up_w=[10], down_w=[10], sustain_s=1800),
    ]
    where = storage(discharge=[0], floor=[10], ceiling=[3])
    wide = msgspec.structs.replace(where, discharge_w_max=100)
    granted = grant_claims(BY_ARRIVAL, wide, claims, use="bid")
    assert (got(granted, "dr", "up_w"), got(granted, "agc", "up_w")) == ([8], [4])
    assert got(granted, "agc", "down_w") == [6]
    up, down = refused_parts(granted)
    assert (up.beyond, [a.claim for a in up.against], down.beyond, down.against) == (0, ["dr"], 4, ())


def test_charging_that_makes_up_for_a_response_stays_out_of_the_peak_window() -> None:
    """M x DR: rebound charge inside the M window blocked, in either order of arrival."""
    peak = claim("m", "demand_charge", up_w=[0, 5])
    rebound = claim("re", "demand_response", "rebound", charge_wh=[3, 3])
    where = storage(discharge=[0, 0], charge=[3, 3])
    assert got(grant_claims(BY_ARRIVAL, where, [peak, rebound], use="plan"), "re", "charge_wh") == [3, 0]
    turned = grant_claims(BY_ARRIVAL, where, [rebound, peak], use="plan")
    assert got(turned, "m", "up_w") == [0, 0]
    ranked = grant_claims(BY_PRECEDENCE, where, [rebound, peak], use="plan")
    assert got(ranked, "re", "charge_wh") == [3, 0]
    assert got(ranked, "m", "up_w") == [0, 5]


def test_two_claims_of_one_stream_do_not_share_a_kwh() -> None:
    claims = [claim("x", "spot", discharge_wh=[70]), claim("y", "spot", discharge_wh=[70])]
    granted = grant_claims(BY_ARRIVAL, storage(), claims, use="settlement")
    assert got(granted, "y") == [30]
    assert [a.rule for part in refused_parts(granted) for a in part.against] == ["same_stream"]
    assert granted.totals("discharge_wh")["spot"].tolist() == [100]
    assert granted.totals("discharge_wh", "bill") == {}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: claim("x", "spot"), "claim_empty"),
        (lambda: claim("x", "spot", "bill", discharge_wh=[1]), "claim_purpose"),
        (lambda: claim("x", "arbitrage", "market", discharge_wh=[1]), "claim_purpose"),
        (lambda: claim("x", "capacity", discharge_wh=[1]), "claim_kind"),
        (lambda: claim("x", "arbitrage", "baseline", up_w=[1]), "claim_kind"),
        (lambda: claim("x", "spot", discharge_wh=[-1]), "claim_amount"),
        (lambda: claim("x", "spot", discharge_wh=[2**40 + 1]), "claim_amount"),
        (lambda: claim("x", "spot", discharge_wh=[1, 2], up_w=[1]), "claim_length"),
        (lambda: claim("x", "spot", discharge_wh=[1], sustain_s=-1), "claim_sustain"),
        (lambda: msgspec.structs.replace(claim("x", "spot", up_w=[1]), up_w=np.array([1.0])), "claim_array"),
        (lambda: storage(scheduled=[11]), "schedule"),
        (lambda: storage(discharge=[1, 1], months=[0, 2]), "account_month"),
        (lambda: storage(discharge=[1, 1], months=[1, 1]), "account_month"),
        (lambda: storage(discharge=[-1]), "claim_amount"),
        (lambda: storage(discharge=[1, 1], charge=[1]), "claim_length"),
    ],
)
def test_what_makes_no_sense_is_refused(make, code: str) -> None:
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("claims", "where", "code"),
    [
        ([claim("x", "spot", up_w=[1]), claim("x", "spot", up_w=[1])], {}, "claim_duplicate"),
        ([claim("x", "spot", up_w=[1], first=1)], {}, "claim_interval"),
        ([claim("x", "spot", up_w=[1], first=-1)], {}, "claim_interval"),
        ([claim("x", "spot", up_w=[1])], {"site": "s2"}, "claim_site"),
        ([claim("x", "spot", up_w=[1])], {"interval_s": 1800}, "claim_interval"),
        ([claim("x", "spot", up_w=[1])], {"scheduled_w": None}, "schedule_missing"),
        ([claim("x", "spot", discharge_wh=[1])], {"discharge_wh": None}, "metered_missing"),
        ([claim("x", "spot", up_w=[1], sustain_s=1)], {}, "stored_energy_missing"),
    ],
)
def test_what_is_missing_is_never_zero(claims: list[Claim], where: dict, code: str) -> None:
    with pytest.raises(Refused) as caught:
        grant_claims(BY_ARRIVAL, msgspec.structs.replace(storage(), **where), claims, use="bid")
    assert caught.value.code == code
    assert caught.value.place.startswith("claims.x")


# --- properties ------------------------------------------------------------------------------------

COUNT = 3


@st.composite
def many_claims(draw, nodes=NODES, most: int = 7, kinds=QUANTITIES) -> list[Claim]:
    claims = []
    for number in range(draw(st.integers(1, most))):
        node = draw(st.sampled_from(nodes))
        power = node.purpose not in ("baseline", "rebound")
        energy = node.stream not in ("capacity", "capacity_lease")
        allowed = [k for k in kinds if (energy if k.endswith("wh") else power)]
        if not allowed:
            continue
        chosen = draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=2, unique=True))
        length = draw(st.integers(1, COUNT))
        first = draw(st.integers(0, COUNT - length))
        arrays = {k: draw(st.lists(st.integers(0, 7), min_size=length, max_size=length)) for k in chosen}
        sustain = draw(st.sampled_from([0, 900, 3600]))
        claims.append(claim(f"c{number}", *node, first=first, sustain_s=sustain, **arrays))
    return claims


@st.composite
def storages(draw) -> Storage:
    def numbers(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=COUNT, max_size=COUNT))

    months = draw(st.sampled_from([[0, 0, 0], [0, 0, 1], [0, 1, 1], [0, 1, 2]]))
    return storage(
        numbers(0, 9), numbers(0, 9), months, numbers(-POWER_W, POWER_W), numbers(0, 9), numbers(0, 9)
    )


def at(granted: Granted, nodes: Iterable[Node], quantity: str, position: int) -> int:
    """What all claims of some nodes have in one interval."""
    total = 0
    wanted = set(nodes)
    for grant in granted.grants:
        array = grant.granted(quantity)
        index = position - (grant.claim.interval.start - START) // QUARTER
        if grant.claim.node in wanted and array is not None and 0 <= index < len(array):
            total += int(array[index])
    return total


def paid(stream: str) -> list[Node]:
    return [node for node in NODES if node.stream == stream and node.purpose != "rebound"]


def has(granted: Granted, nodes: list[Node], positions: Iterable[int], kinds=QUANTITIES) -> bool:
    return any(at(granted, nodes, kind, p) for p in positions for kind in kinds)


def check_matrix(granted: Granted, letters: dict[str, str]) -> None:
    """DOMAIN.md 4, written down again: pair by pair, interval by interval, in plain Python."""
    where = granted.storage
    streams = {short: stream for stream, short in SHORT.items()}
    committing = [node for s in ("DR", "SP", "AS", "lease") for node in paid(streams[s])]
    market_energy = [node for s in ("DR", "SP", "AS") for node in paid(streams[s])]
    month = where.account_month.tolist()
    for p in range(where.count):
        metered = {"discharge_wh": int(where.discharge_wh[p]), "charge_wh": int(where.charge_wh[p])}
        scheduled = int(where.scheduled_w[p])
        power = {"up_w": POWER_W - scheduled, "down_w": POWER_W + scheduled}
        stored = {"up_w": int(where.above_floor_wh[p]), "down_w": int(where.below_ceiling_wh[p])}
        for kind, most in metered.items():
            assert at(granted, market_energy, kind, p) <= most, "each paid kWh has one primary stream"
            for short in SHORT.values():
                assert at(granted, paid(streams[short]), kind, p) <= most
        for kind, most in power.items():
            assert at(granted, committing, kind, p) <= most, "sum committed up <= P_n - P_sched"
            held = [
                (int(g.granted(kind)[i]), g.claim)
                for g in granted.grants
                if g.granted(kind) is not None
                and 0 <= (i := p - (g.claim.interval.start - START) // QUARTER) < g.claim.count
            ]
            joules = sum(w * c.sustain_s for w, c in held if c.node in committing)
            assert joules <= stored[kind] * 3600, "energy >= sum of duration"
            assert all(w * c.sustain_s <= stored[kind] * 3600 for w, c in held)
        for one, two in combinations(SHORT.values(), 2):
            first, second = paid(streams[one]), paid(streams[two])
            says = letters.get(f"{one} {two}", "W" if two == "lease" else "Y")
            if "X" in says:
                scope, kinds = [p], QUANTITIES
                if (one, two) == ("A", "SP"):
                    scope = [i for i in range(where.count) if month[i] == month[p]]
                if (one, two) == ("T", "SP") and "C" in says:
                    kinds = ("discharge_wh", "up_w")
                assert not (has(granted, first, scope, kinds) and has(granted, second, scope, kinds))
            if "W" in says:
                for kind, most in power.items():
                    limit = POWER_W if "CAP" in (one, two) else most
                    assert at(granted, first + second, kind, p) <= limit, (one, two)
            if "E" in says:
                if two == "DR":
                    first = [node for node in first if node.purpose == "baseline"]
                for kind, most in metered.items():
                    assert at(granted, first + second, kind, p) <= most, (one, two)
        rebound = [Node("demand_response", "rebound")]
        assert not (has(granted, rebound, [p]) and has(granted, paid("demand_charge"), [p]))


@settings(max_examples=150)
@given(many_claims(), storages(), st.sampled_from(["arrival", "precedence"]))
def test_every_prefix_obeys_the_matrix(claims: list[Claim], where: Storage, deciding: str) -> None:
    """Two concurrent claims for the same kWh are never both paid, after any number of claims."""
    for length in range(1, len(claims) + 1):
        check_matrix(grant_claims(RULES["rule_based", deciding], where, claims[:length], use="bid"), TABLE)


STRICT = dict.fromkeys((f"{a} {b}" for a, b in combinations(SHORT.values(), 2)), "X")


@settings(max_examples=80)
@given(many_claims(), storages(), st.sampled_from(["arrival", "precedence"]))
def test_under_strict_two_streams_never_share_an_interval(
    claims: list[Claim], where: Storage, deciding: str
) -> None:
    for length in range(1, len(claims) + 1):
        check_matrix(grant_claims(RULES["strict", deciding], where, claims[:length], use="bid"), STRICT)


@settings(max_examples=100)
@given(many_claims(), storages())
def test_by_arrival_a_later_claim_takes_nothing_from_an_earlier(claims: list[Claim], where: Storage) -> None:
    everything = grant_claims(BY_ARRIVAL, where, claims, use="bid")
    for length in range(1, len(claims) + 1):
        prefix = grant_claims(BY_ARRIVAL, where, claims[:length], use="bid")
        for early, late in zip(prefix.grants, everything.grants, strict=False):
            for kind in QUANTITIES:
                assert np.array_equal(early.granted(kind), late.granted(kind))


@settings(max_examples=100)
@given(many_claims(), storages(), st.randoms(use_true_random=False))
def test_by_precedence_the_order_between_streams_does_not_matter(claims, where, random) -> None:
    """Arrival counts only within what has the same rank."""
    rules = BY_PRECEDENCE
    order = decision_order(rules, claims, "plan")
    keyed = {claims[i].id: rank for rank, i in enumerate(order)}
    shuffled = claims[:]
    random.shuffle(shuffled)
    same_node = [[c.id for c in shuffled if c.node == node] for node in NODES]
    if any(ids != sorted(ids, key=keyed.__getitem__) for ids in same_node):
        return
    # A's and T's baselines have one rank: their mutual order is arrival.
    base = [c.id for c in shuffled if c.purpose == "baseline"]
    if base != sorted(base, key=keyed.__getitem__):
        return
    one = grant_claims(rules, where, claims, use="plan")
    two = grant_claims(rules, where, shuffled, use="plan")
    for c in claims:
        for kind in QUANTITIES:
            assert np.array_equal(one.of(c.id).granted(kind), two.of(c.id).granted(kind))


@settings(max_examples=150)
@given(many_claims(), storages(), st.sampled_from(sorted(RULES)))
def test_the_report_names_every_refusal_once_and_says_why(claims, where, which) -> None:
    granted = grant_claims(RULES[which], where, claims, use="plan")
    asked_less_granted = {
        (g.claim.id, kind, g.claim.interval.start + i * QUARTER): int(a - b)
        for g in granted.grants
        for kind in QUANTITIES
        if g.claim.asked(kind) is not None
        for i, (a, b) in enumerate(zip(g.claim.asked(kind), g.granted(kind), strict=True))
        if a != b
    }
    parts = list(refused_parts(granted))
    assert {(p.claim, p.quantity, p.interval.start): p.refused for p in parts} == asked_less_granted
    assert len(parts) == len(asked_less_granted)
    ids = {c.id: c for c in claims}
    for part in parts:
        assert part.against or part.beyond
        assert not part.against or part.refused >= part.beyond
        for other in part.against:
            assert other.claim != part.claim
            assert ids[other.claim].stream == other.stream
            assert re.search(r"\(\w+(, DOMAIN.md 4.*)?\)", part.words)
    assert (not parts) == all(grant.whole for grant in granted.grants)


# --- a second, slower model: every Wh is labelled with the claims that it is for --------------------

ENERGY_NODES = [node for node in NODES if node.stream not in ("capacity", "capacity_lease", "spot")]
MARKET = {"demand_response", "ancillary"}


def may_share(one: Node, two: Node) -> bool:
    """Whether one Wh may be for both, from the words of DOMAIN.md 4."""
    streams, purposes = {one.stream, two.stream}, {one.purpose, two.purpose}
    if "rebound" in purposes:
        return one != two
    if len(streams) == 1 or streams <= MARKET:
        return False
    if streams == {"arbitrage", "pv_time_shift"} or streams == {"arbitrage", "ancillary"}:
        return False
    return not ("demand_response" in streams and "baseline" in purposes)


@lru_cache(maxsize=100_000)
def labels_exist(wanted: tuple[tuple[Node, int], ...], wh: int) -> bool:
    """Whether `wh` Wh can each get a set of nodes that may share it, so that all get what they want."""
    open_ = [(node, number) for node, number in wanted if number]
    if not open_:
        return True
    if not wh:
        return False
    first, rest = open_[0][0], [node for node, _ in open_[1:]]
    for size in range(len(rest), -1, -1):
        for others in combinations(rest, size):
            if all(may_share(a, b) for a, b in combinations((first, *others), 2)):
                chosen = {first, *others}
                left = tuple((node, number - (node in chosen)) for node, number in open_)
                if labels_exist(left, wh - 1):
                    return True
    return False


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(ENERGY_NODES), st.integers(1, 4)), min_size=1, max_size=6),
    st.integers(0, 5),
)
def test_a_claim_gets_exactly_what_labelling_every_wh_could_give_it(wants, metered: int) -> None:
    """Never more than labels exist for, and never less: what is refused could not have been granted."""
    claims = [claim(f"c{i}", *node, charge_wh=[wh]) for i, (node, wh) in enumerate(wants)]
    rebounds = {node.purpose for node, _ in wants}
    if "rebound" in rebounds and any(node.stream == "demand_charge" for node, _ in wants):
        return
    granted = grant_claims(BY_ARRIVAL, storage(discharge=[0], charge=[metered]), claims, use="settlement")
    have: dict[Node, int] = {}
    for index, (node, wh) in enumerate(wants):
        most = max(
            n for n in range(wh + 1)
            if labels_exist(tuple(sorted({**have, node: have.get(node, 0) + n}.items())), metered)
        )  # fmt: skip
        assert got(granted, f"c{index}", "charge_wh") == [most]
        have[node] = have.get(node, 0) + most


def test_every_relation_occurs_in_an_example() -> None:
    used = {r for name in ("rule_based", "strict") for cell in policy(name).cells for r in cell.relations}
    assert used == set(get_args(Relation))
