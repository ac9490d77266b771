"""A contract states what each party sees: own lines, pool total, others' percentages, the host's bill."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ledger import contract_file
from ledger.clauses import EarlyTermination, FlooredSplit, Guarantee, RemainderSplit, TieredShare
from ledger.clauses.tiered_share import Bracket
from ledger.contract import Contract, Visibility
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountTrees
from ledger.settlement.result import BillItem, Percentage, SiteBill
from ledger.settlement.run import Run
from ledger.settlement.sight import bills_seen, percentages, sites_seen
from ledger.settlement.statement import Statement, statements
from tests.ledger.kpi.sample import cny, run

EXAMPLES = Path(__file__).parents[3] / "examples/contracts"
TERMS = contract_file.parse((EXAMPLES / "eaas-three-hosts.toml").read_bytes())
HOSTS = ("host-s1", "host-s2", "host-s3")


def seen_by(terms: Contract, party: str, **sees: bool) -> Contract:
    every = Visibility(**({"pool_total": True, "others_percentages": True, "host_bill": True} | sees))
    parties = tuple(
        msgspec.structs.replace(one, sees=every) if one.id == party else one for one in terms.parties
    )
    return msgspec.structs.replace(terms, parties=parties)


def test_a_host_sees_the_bill_of_its_own_sites_whatever_it_is_shown() -> None:
    for host in HOSTS:
        seen = bills_seen(seen_by(TERMS, host))
        assert {one: seen[one] for one in HOSTS} == {
            "host-s1": ("S1",),
            "host-s2": ("S2",),
            "host-s3": ("S3",),
        }
    assert bills_seen(TERMS)["operator"] == ("S1", "S2", "S3")
    assert "operator" not in bills_seen(seen_by(TERMS, "operator", host_bill=False))


def test_the_only_host_sees_the_bills_of_all_sites() -> None:
    (host, *_), operator = TERMS.parties[:3], TERMS.parties[3]
    alone = msgspec.structs.replace(
        TERMS,
        parties=(msgspec.structs.replace(host, sites=()), operator),
        clauses=(TERMS.clauses[0], *(_for_two(one) for one in TERMS.clauses[1:])),
    )
    assert bills_seen(alone)["host-s1"] == ("S1", "S2", "S3")


def _for_two(clause: object) -> object:
    return msgspec.structs.replace(clause, shares={"host-s1": "70%", "operator": "30%"})  # type: ignore[type-var]


def test_who_sees_how_a_storage_ran() -> None:
    assert sites_seen(TERMS, []) == {
        "host-s1": ("S1",),
        "host-s2": ("S2",),
        "host-s3": ("S3",),
        "operator": ("S1", "S2", "S3"),
    }
    assert sites_seen(seen_by(TERMS, "operator", pool_total=False), [])["operator"] == ()
    held = run(site="S2", host="operator").result.lines
    seen = sites_seen(seen_by(TERMS, "operator", pool_total=False), held)
    assert seen["operator"] == ("S2",), "whose cash it holds"


def test_percentages_are_the_contracts_own_words() -> None:
    assert [(one.clause, one.of, one.party, one.share) for one in percentages(TERMS)] == [
        (f"clause {number}, {kind}", "", party, share)
        for number, kind in ((2, "loss_split"), (3, "remainder_split"))
        for party, share in (("host-s1", "35%"), ("host-s2", "20%"), ("host-s3", "15%"), ("operator", "30%"))
    ]


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (RemainderSplit(shares={"a": "1/3", "b": "2/3"}), [("", {"a": "1/3", "b": "2/3"})]),
        (
            RemainderSplit(shares={"a": "1/3", "b": "2/3"}, weights="evidence", zero_scores="refused"),
            [],
        ),
        (
            TieredShare(
                brackets=(
                    Bracket(up_to="100", shares={"a": "60%", "b": "40%"}),
                    Bracket(shares={"a": "50%", "b": "50%"}),
                ),
                period="month",
                proration="days",
            ),
            [
                ("bracket 1, up to 100", {"a": "60%", "b": "40%"}),
                ("bracket 2", {"a": "50%", "b": "50%"}),
            ],
        ),
        (
            Guarantee(
                annual_amount="1200000", guaranteed_party="a", other_party="b", excess_share="60%",
                measure="year_to_date", carry="annual_reset", reset_month=1, proration="months",
            ),
            [("the excess", {"a": "60%", "b": "40%"})],
        ),
        (
            FlooredSplit(
                shares={"a": "70%", "b": "30%"}, party="a", minimum="10", proration="days",
                funded_by={"b": "100%"}, shortfall="paid",
            ),
            [("", {"a": "70%", "b": "30%"}), ("what a lacks of its minimum", {"b": "100%"})],
        ),
        (
            EarlyTermination(payer="a", schedule=(), unpaid_hurdle="due", hurdle_shares={"b": "100%"}),
            [("the unpaid return on capital", {"b": "100%"})],
        ),
    ],
)  # fmt: skip
def test_every_clause_tells_its_percentages(
    clause: RemainderSplit, expected: list[tuple[str, dict[str, str]]]
) -> None:
    assert [(one.of, dict(one.shares)) for one in clause.percentages] == expected


def bill(site: str, without: str, with_storage: str) -> SiteBill:
    items = [
        BillItem("energy", None, amount, "kWh", "1", "1", cny(amount)) for amount in (without, with_storage)
    ]
    return SiteBill(site, cny(without), cny(with_storage), "", (items[0],), (items[1],))


def two_sites(**more: object) -> Run:
    """A run whose two sites have bills of two hosts, under a split that names both."""
    one = run()
    second = bill("S2", "50.00", "40.00")
    shares = tuple(
        Percentage("clause 2, remainder_split", "", party, share)
        for party, share in (("host-one", "2/3"), ("owner-one", "1/3"))
    )
    changes = {"bills": (*one.result.bills, second), "percentages": shares} | more
    return msgspec.structs.replace(one, result=msgspec.structs.replace(one.result, **changes))  # type: ignore[arg-type]


def of(party: str, settled: Run) -> Statement:
    (found,) = [one for one in statements(settled, 7) if one.party == party]
    return found


def test_a_statement_holds_own_percentages_and_others_where_the_contract_shows_them() -> None:
    settled = two_sites(sees_percentages=("owner-one",))
    assert [(one.party, one.share) for one in of("host-one", settled).percentages] == [("host-one", "2/3")]
    assert {one.party for one in of("owner-one", settled).percentages} == {"host-one", "owner-one"}
    assert [one.party for one in of("owner-one", two_sites()).percentages] == ["owner-one"]


def test_a_statement_holds_the_bills_of_the_sites_that_it_may_show() -> None:
    sees = {"host-one": ("S1",), "owner-one": ()}
    settled = two_sites(sees_bill=sees, sees_sites={"host-one": ("S1",)})
    assert [one.site for one in of("host-one", settled).bills] == ["S1"]
    assert of("owner-one", settled).bills == ()
    assert (of("host-one", settled).sites, of("owner-one", settled).sites) == (("S1",), ())
    assert "S2" not in str(of("host-one", settled))


def test_nobody_is_explained_the_bill_of_anothers_site() -> None:
    bills = tuple(bill(site, "60.00", "50.00") for site in ("S1", "S2"))
    result = two_sites(sees_bill={"host-one": ("S1",)}, bills=bills).result
    trees = AmountTrees(result, "host-one")
    assert str(trees.amount("bill_without", site="S1").amount) == "60.00"
    for site in ("S2", "S9"):
        with pytest.raises(Refused) as refused:
            trees.amount("bill_with", site=site)
        assert refused.value.code == "not_shown", "nor is it told whether there is such a bill"
    assert str(AmountTrees(result).amount("bill_with", site="S2").amount) == "50.00"
