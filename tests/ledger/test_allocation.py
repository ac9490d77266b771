"""Sites' parts of what the market paid as one always add up to the statement (DOMAIN.md 3.9)."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.allocation.allocation import Allocation, divided, priced
from ledger.allocation.disaggregation import BidMember, BidTerms, committable_w, disaggregate
from ledger.allocation.regulation import Kept, Mileage, capacity_payment, mileage_payment
from ledger.allocation.response import ResponseMember, ResponseTerms, response_payment, response_penalty
from ledger.allocation.spot import (
    SpotShares,
    SpotTerms,
    allocate_spot,
    as_month,
    deviation_in_direction,
    netted_deviation,
)
from ledger.quantity import Money
from ledger.refusal import Refused

TERMS = ResponseTerms(
    delivered_cap="1.2",
    eligibility="80%",
    under_performer="paid",
    when_nobody_delivered="refuse",
    when_nobody_fell_short="refuse",
)
EXAMPLE = [
    ResponseMember(site=site, committed_wh=2 * q * 1000, delivered_wh=d * 1000)
    for site, q, d in (("a", 500, 1040), ("b", 1000, 2150), ("c", 800, 1208), ("d", 1200, 2390))
]
POOL = Money.parse("13576.00", "CNY")


def yuan(text: str) -> Money:
    return Money.parse(text, "CNY")


def shown(allocation) -> list[str]:
    return [str(allocation.sites[site]) for site in sorted(allocation.sites)]


def terms(**changes: str) -> ResponseTerms:
    return msgspec.structs.replace(TERMS, **changes)


# --- demand response --------------------------------------------------------------------------------


def test_the_worked_example_by_delivered_energy() -> None:
    """DOMAIN.md 3.9: 6788 of 7000 kWh, 2 yuan, 13 576.00."""
    delivered = sum(member.delivered_wh for member in EXAMPLE)
    assert delivered == 6_788_000
    assert sum(member.committed_wh for member in EXAMPLE) == 7_000_000
    assert Money.round(Fraction(delivered, 1000) * 2, "CNY") == POOL
    paid = response_payment(TERMS, POOL, EXAMPLE)
    assert shown(paid) == ["2080.00", "4300.00", "2416.00", "4780.00"]
    assert (paid.kept, paid.rounding) == (yuan("0"), yuan("0"))


def test_the_worked_example_with_own_eligibility() -> None:
    """C delivered 75.5 % of its own 1600 kWh: it has no weight, and the others share its part."""
    paid = response_payment(terms(under_performer="redistributed"), POOL, EXAMPLE)
    assert shown(paid) == ["2530.29", "5230.90", "0.00", "5814.81"]
    assert paid.weights["c"] == "0"
    assert "c: redistributed" in paid.note


def test_the_operator_may_keep_the_under_performers_share() -> None:
    paid = response_payment(terms(under_performer="operator"), POOL, EXAMPLE)
    assert shown(paid) == ["2080.00", "4300.00", "0.00", "4780.00"]
    assert paid.kept == yuan("2416.00")


def test_who_gets_it_must_be_stated() -> None:
    stated = msgspec.structs.asdict(TERMS)
    for field in stated:
        with pytest.raises(TypeError):
            ResponseTerms(**{name: value for name, value in stated.items() if name != field})
    for field in ("under_performer", "when_nobody_delivered", "when_nobody_fell_short"):
        with pytest.raises(Refused) as caught:
            terms(**{field: "market"})
        assert (caught.value.code, caught.value.place) == ("not_allowed", field)


def test_delivery_above_the_cap_does_not_count() -> None:
    members = [
        ResponseMember(site="a", committed_wh=1000, delivered_wh=5000),
        ResponseMember(site="b", committed_wh=1000, delivered_wh=1200),
    ]
    assert shown(response_payment(TERMS, yuan("10.01"), members)) == ["5.01", "5.00"]


def test_the_eligibility_itself_is_enough() -> None:
    """d < 0.8 q is an under-performer; d = 0.8 q is none."""
    members = [
        ResponseMember(site="a", committed_wh=1000, delivered_wh=800),
        ResponseMember(site="b", committed_wh=1000, delivered_wh=799),
    ]
    paid = response_payment(terms(under_performer="redistributed"), yuan("9.00"), members)
    assert shown(paid) == ["9.00", "0.00"]


def test_a_penalty_is_borne_by_shortfall() -> None:
    """C lacks 1280 - 1208 = 72 kWh; with A at 700 of 800 it is 72 : 100."""
    assert shown(response_penalty(TERMS, yuan("-500.00"), EXAMPLE)) == ["0.00", "0.00", "-500.00", "0.00"]
    short = [ResponseMember(site="a", committed_wh=1_000_000, delivered_wh=700_000), *EXAMPLE[1:]]
    fined = response_penalty(TERMS, yuan("-500.00"), short)
    assert shown(fined) == ["-290.70", "0.00", "-209.30", "0.00"]


def test_a_penalty_that_is_payable_to_us_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        response_penalty(TERMS, yuan("0.01"), EXAMPLE)
    assert caught.value.code == "penalty_sign"


def test_pro_rata_with_zero_weights_follows_a_stated_rule() -> None:
    """DOMAIN.md 5. Nobody delivered enough, or a penalty without a shortfall."""
    nobody = [ResponseMember(site=s, committed_wh=1000, delivered_wh=1) for s in ("a", "b", "c")]
    strict = terms(under_performer="redistributed")
    with pytest.raises(Refused) as caught:
        response_payment(strict, yuan("0.10"), nobody)
    assert (caught.value.code, caught.value.place) == ("weights_zero", "weights")
    with pytest.raises(Refused):
        response_penalty(TERMS, yuan("-1.00"), EXAMPLE[:2])
    kept = response_payment(
        terms(under_performer="redistributed", when_nobody_delivered="operator"), yuan("0.10"), nobody
    )
    assert (shown(kept), kept.kept) == (["0.00"] * 3, yuan("0.10"))
    equal = response_penalty(terms(when_nobody_fell_short="equally"), yuan("-0.05"), EXAMPLE[:2])
    assert shown(equal) == ["-0.03", "-0.02"]
    assert shown(response_payment(strict, yuan("0.00"), nobody)) == ["0.00"] * 3, "nothing to divide"


def test_an_aggregate_has_members_and_each_once() -> None:
    for members, code in (([], "no_members"), ([EXAMPLE[0], EXAMPLE[0]], "member_duplicate")):
        for function in (response_payment, response_penalty):
            with pytest.raises(Refused) as caught:
                function(TERMS, yuan("-1.00"), members)
            assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        ResponseMember(site="a", committed_wh=-1, delivered_wh=0)
    assert caught.value.code == "negative_energy"


many = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=7)


@settings(max_examples=200)
@given(
    many,
    st.integers(-(10**7), 10**7),
    st.sampled_from(["paid", "redistributed", "operator"]),
    st.sampled_from(["operator", "equally"]),
    st.randoms(use_true_random=False),
)
def test_sites_and_what_is_kept_are_the_statement(numbers, minor, under, zero, random) -> None:
    """Exactly, in any order of members; and every site within a fen of its exact share."""
    members = [
        ResponseMember(site=f"s{i}", committed_wh=q, delivered_wh=d) for i, (q, d) in enumerate(numbers)
    ]
    rule = terms(under_performer=under, when_nobody_delivered=zero)
    paid = response_payment(rule, Money(minor, "CNY"), members)
    assert sum(m.minor for m in paid.sites.values()) + paid.kept.minor + paid.rounding.minor == minor
    shuffled = members[:]
    random.shuffle(shuffled)
    assert response_payment(rule, Money(minor, "CNY"), shuffled).sites == paid.sites
    mirrored = response_payment(rule, Money(-minor, "CNY"), members)
    assert mirrored.sites == {site: -part for site, part in paid.sites.items()}
    weights = {}
    for i, (q, d) in enumerate(numbers):
        weights[f"s{i}"] = min(Fraction(d), Fraction(6, 5) * q)
        if under == "redistributed" and 5 * d < 4 * q:
            weights[f"s{i}"] = Fraction(0)
    whole = sum(weights.values())
    for i, (q, d) in enumerate(numbers):
        if not whole:
            continue
        exact = minor * weights[f"s{i}"] / whole
        if under == "operator" and 5 * d < 4 * q:
            exact = Fraction(0)
        assert abs(paid.sites[f"s{i}"].minor - exact) < 1


@settings(max_examples=100)
@given(many, st.integers(-(10**7), 0))
def test_nobody_without_a_shortfall_bears_a_penalty(numbers, minor) -> None:
    members = [
        ResponseMember(site=f"s{i}", committed_wh=q, delivered_wh=d) for i, (q, d) in enumerate(numbers)
    ]
    fined = response_penalty(terms(when_nobody_fell_short="operator"), Money(minor, "CNY"), members)
    assert sum(m.minor for m in fined.sites.values()) + fined.kept.minor == minor
    for member in members:
        if 5 * member.delivered_wh >= 4 * member.committed_wh:
            assert fined.sites[member.site].minor == 0


# --- regulation and capacity ------------------------------------------------------------------------


def test_mileage_is_weighed_by_each_sites_own_performance() -> None:
    """Sum of D x K: 10 MW x 1.25 + 20 MW x 0.8 = 28.5; 30 MW x 0.5 = 15. 435.00 is 285 : 150."""
    members = {
        "a": [Mileage(10_000_000, Fraction("1.25")), Mileage(20_000_000, Fraction("0.8"))],
        "b": [Mileage(30_000_000, Fraction("0.5"))],
        "c": [],
    }
    paid = mileage_payment(yuan("435.00"), members, when_all_zero="refuse")
    assert shown(paid) == ["285.00", "150.00", "0.00"]


def test_capacity_is_weighed_by_power_and_availability() -> None:
    members = {"a": Kept(3_000_000, Fraction(1)), "b": Kept(3_000_000, Fraction(1, 2))}
    assert shown(capacity_payment(yuan("100.00"), members, when_all_zero="refuse")) == ["66.67", "33.33"]
    assert shown(capacity_payment(yuan("-100.00"), members, when_all_zero="refuse")) == ["-66.67", "-33.33"]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: mileage_payment(POOL, {"a": [Mileage(-1, Fraction(1))]}, when_all_zero="refuse"), "mileage"),
        (lambda: mileage_payment(POOL, {"a": [Mileage(1, Fraction(-1))]}, when_all_zero="refuse"), "mileage"),
        (lambda: mileage_payment(POOL, {"a": []}, when_all_zero="refuse"), "weights_zero"),
        (lambda: mileage_payment(POOL, {}, when_all_zero="operator"), "no_members"),
        (lambda: capacity_payment(POOL, {"a": Kept(1, Fraction(2))}, when_all_zero="refuse"), "availability"),
        (lambda: capacity_payment(POOL, {"a": Kept(-1, Fraction(1))}, when_all_zero="refuse"), "power"),
        (lambda: capacity_payment(POOL, {"a": Kept(1, Fraction(0))}, when_all_zero="refuse"), "weights_zero"),
        (lambda: divided(POOL, {"a": Fraction(1)}, when_all_zero="zero", note=""), "not_allowed"),
        (lambda: divided(POOL, {"a b": Fraction(1)}, when_all_zero="refuse", note=""), "id"),
    ],
)
def test_weights_that_make_no_sense_are_refused(make, code: str) -> None:
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.code == code


# --- sites' own amounts ------------------------------------------------------------------------------


def test_what_rounding_leaves_of_the_exact_whole_is_the_operators_line() -> None:
    """DOMAIN.md 5: 1.005 - 0.335 + 0.105 = 0.775 is 0.78; rounded one by one 1.01 - 0.34 + 0.11 = 0.78;
    without the second site 1.110 is 1.11 against 1.01 + 0.11."""
    sites = {"a": Fraction("1.005"), "b": Fraction("-0.335")}
    found = priced(sites, Fraction("0.105"), currency="CNY", note="")
    assert (shown(found), found.kept) == (["1.01", "-0.34"], yuan("0.11"))
    assert (found.total, found.rounding) == (yuan("0.78"), yuan("0.00"))
    one = priced({"a": Fraction("1.005")}, Fraction("0.105"), currency="CNY", note="")
    assert (one.total, one.rounding) == (yuan("1.11"), yuan("-0.01"))
    assert one.exact == {"a": Fraction("1.005")}
    with pytest.raises(Refused) as caught:
        priced({}, Fraction(0), currency="CNY", note="")
    assert caught.value.code == "no_members"


# --- spot -------------------------------------------------------------------------------------------


def wh(*rows: list[int]) -> np.ndarray:
    return np.array(rows if len(rows) > 1 else rows[0], dtype=np.int64)


def spot_month(price=(500_000, -200_000), deviation_price=(-100_000, -300_000)):
    """a and b deviate against each other in the first interval, together in the second."""
    return as_month(
        [
            ("b", wh([2_000_000, 0]), wh([-10_000, -30_000])),
            ("a", wh([1_000_000, 3_000_000]), wh([40_000, -60_000])),
        ],
        price=wh(list(price)),
        deviation_price=wh(list(deviation_price)),
        scale=6,
    )


def of_sites(found: Allocation) -> dict[str, str]:
    return {site: str(amount) for site, amount in found.sites.items()}


def due(found: SpotShares) -> list[str]:
    """What each site is due of both terms."""
    return [
        str(found.energy.sites[site] + found.deviation.sites[site]) for site in sorted(found.energy.sites)
    ]


def test_spot_energy_at_the_nodal_price_and_deviation_in_the_aggregates_direction() -> None:
    """a: 1000 x 0.5 - 3000 x 0.2 = -100.00; b: 2000 x 0.5 = 1000.00. Deviation: 30 kWh x 0.1 all a's
    (b goes the other way), then 60 : 30 of 90 kWh x 0.3."""
    rule = SpotTerms(netting_benefit="sites", rounding_max="0.02")
    found = allocate_spot(rule, yuan("870.01"), spot_month())
    assert of_sites(found.energy) == {"a": "-100.00", "b": "1000.00"}
    assert of_sites(found.deviation) == {"a": "-21.00", "b": "-9.00"}
    assert found.borne_wh == {"a": 90_000, "b": 30_000}
    assert (found.energy.total, found.deviation.total) == (yuan("900.00"), yuan("-30.00"))
    assert found.deviation.kept == yuan("0.00")


def test_the_netting_benefit_may_go_to_the_pool() -> None:
    """a bears its own 40 kWh x 0.1 in the first interval; the 10 kWh that b offset, 1.00, are the pool's."""
    rule = SpotTerms(netting_benefit="pool", rounding_max="0.02")
    found = allocate_spot(rule, yuan("870.00"), spot_month())
    assert due(found) == ["-122.00", "991.00"]
    assert (found.deviation.kept, found.deviation.total) == (yuan("1.00"), yuan("-30.00"))
    assert found.borne_wh == {"a": 100_000, "b": 30_000}


def test_each_term_is_rounded_once_for_a_site() -> None:
    """0.005 of energy and -0.005 of deviation are 0.01 and -0.01, and 0.00 only together."""
    month = as_month([("a", wh([1000]), wh([1000]))], price=wh([5000]), deviation_price=wh([-5000]), scale=6)
    rule = SpotTerms(netting_benefit="sites", rounding_max="0.00")
    found = allocate_spot(rule, yuan("0.00"), month)
    assert (of_sites(found.energy), of_sites(found.deviation)) == ({"a": "0.01"}, {"a": "-0.01"})
    assert found.energy.exact == {"a": Fraction("0.005")}


def test_a_statement_that_is_not_the_sites_sum_is_a_dispute() -> None:
    rule = SpotTerms(netting_benefit="sites", rounding_max="0.02")
    assert due(allocate_spot(rule, yuan("869.98"), spot_month())) == ["-121.00", "991.00"]
    with pytest.raises(Refused) as caught:
        allocate_spot(rule, yuan("870.03"), spot_month())
    assert caught.value.code == "statement_difference"
    assert "0.03 apart" in caught.value.reason


def test_netted_deviation_is_divided_in_whole_wh() -> None:
    """10 Wh over 5 : 5 : 5 less 5 of the other direction: 4, 3, 3, ties by site id."""
    deviation = wh([5, -5, 0], [5, -5, 0], [5, 2, 0], [-5, 2, 0])
    assert netted_deviation(deviation).tolist() == [[4, 3, 0], [3, 3, 0], [3, 0, 0], [0, 0, 0]]
    assert deviation_in_direction(deviation)[:, 0].tolist() == [5, 5, 5, 0]


@settings(max_examples=120)
@given(st.data(), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["sites", "pool"]))
def test_spot_against_a_slow_second_calculation(data, sites, count, benefit) -> None:
    """Plain fractions, written from DOMAIN.md 3.9: a site is within its rounding, the sum exact."""
    numbers = st.lists(st.integers(-900, 900), min_size=count, max_size=count)
    energy = [data.draw(numbers) for _ in range(sites)]
    deviation = [data.draw(numbers) for _ in range(sites)]
    price, fine = data.draw(numbers), data.draw(numbers)
    unit = 1000 * 10**6
    whole = [sum(row[t] for row in deviation) for t in range(count)]
    statement = Fraction(0)
    for t in range(count):
        statement += (
            Fraction(sum(row[t] for row in energy) * price[t] + abs(whole[t]) * fine[t], unit) * 10**5
        )
    month = as_month(
        [(f"s{i}", wh(energy[i]), wh(deviation[i])) for i in range(sites)],
        price=wh([p * 10**5 for p in price]),
        deviation_price=wh([f * 10**5 for f in fine]),
        scale=6,
    )
    rule = SpotTerms(netting_benefit=benefit, rounding_max="0.07")
    total = Money.round(statement, "CNY")
    found = allocate_spot(rule, total, month)
    for term in found[:2]:
        parts = (*term.sites.values(), term.kept, term.rounding)
        assert sum(part.minor for part in parts) == term.total.minor
    assert abs(found.energy.total.minor + found.deviation.total.minor - total.minor) <= 1
    for i in range(sites):
        exact, slack = Fraction(0), Fraction(1, 100)
        for t in range(count):
            exact += Fraction(energy[i][t] * price[t], 10**4)
            if deviation[i][t] * whole[t] > 0:
                own = abs(deviation[i][t])
                same = sum(abs(row[t]) for row in deviation if row[t] * whole[t] > 0)
                share = Fraction(own * abs(whole[t]), same) if benefit == "sites" else Fraction(own)
                exact += share * fine[t] / 10**4
                slack += Fraction(abs(fine[t]), 10**4) if benefit == "sites" else 0
        assert abs((found.energy.sites[f"s{i}"] + found.deviation.sites[f"s{i}"]).exact - exact) <= slack


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sites": ("b", "a")}, "member_order"),
        ({"scale": 3}, "price_scale"),
        ({"energy_wh": np.zeros((2, 2))}, "profile"),
        ({"energy_wh": np.zeros((3, 2), dtype=np.int64)}, "profile"),
        ({"price": np.zeros(3, dtype=np.int64)}, "profile"),
        ({"price": np.full(2, 2**42, dtype=np.int64)}, "amount_range"),
        ({"deviation_wh": np.full((2, 2), 2**32, dtype=np.int64)}, "amount_range"),
    ],
)
def test_a_spot_month_that_does_not_fit_is_refused(change: dict, code: str) -> None:
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(spot_month(), **change)
    assert caught.value.code == code


def test_each_site_may_have_its_own_nodal_price() -> None:
    month = spot_month(deviation_price=(0, 0))
    own = msgspec.structs.replace(month, price=wh([500_000, 100_000], [600_000, 0]))
    rule = SpotTerms(netting_benefit="sites", rounding_max="0.00")
    assert due(allocate_spot(rule, yuan("2000.00"), own)) == ["800.00", "1200.00"]


# --- a bid's parts ----------------------------------------------------------------------------------

BID = BidTerms(discount="90%", step_w=1000)


def member(site: str, nameplate: int, confidence: str = "100%", headroom: int | None = None) -> BidMember:
    room = nameplate if headroom is None else headroom
    return BidMember(site=site, nameplate_w=nameplate, confidence=confidence, headroom_w=room)


def test_a_bid_is_divided_by_credible_and_limited_by_committable_capacity() -> None:
    """Credible 400 + 800 + 300 = 1500 kW, committable 1350 kW. 1000 kW: 266.67 / 533.33 / 200 -> the kW
    left over to the largest cut-off."""
    members = [member("a", 500_000, "80%"), member("b", 1_000_000, "80%"), member("c", 600_000, "50%")]
    assert committable_w(BID, members) == 1_350_000
    found = disaggregate(BID, 1_000_000, members)
    assert found.sites == {"a": 267_000, "b": 533_000, "c": 200_000}
    assert found.gap_w == 0


def test_what_exceeds_the_committable_capacity_is_told() -> None:
    """Credible capacity would carry 1400 kW: it is a weight and no promise."""
    members = [member("a", 500_000, "80%"), member("b", 1_000_000, "80%"), member("c", 600_000, "50%")]
    found = disaggregate(BID, 1_400_000, members)
    assert (found.over_committable_w, found.no_headroom_w, found.gap_w) == (50_000, 0, 50_000)
    assert sum(found.sites.values()) == 1_350_000


def test_what_a_full_member_cannot_take_goes_to_members_with_headroom() -> None:
    members = [member("a", 600_000, headroom=100_000), member("b", 600_000), member("c", 600_000)]
    found = disaggregate(BID, 900_000, members)
    assert found.sites == {"a": 100_000, "b": 400_000, "c": 400_000}
    tight = [member("a", 600_000, headroom=100_999), member("b", 600_000, headroom=0), member("c", 600_000)]
    short = disaggregate(BID, 900_000, tight)
    assert short.sites == {"a": 100_000, "b": 0, "c": 600_000}
    assert (short.over_committable_w, short.no_headroom_w) == (0, 200_000)


def test_nobody_credible_leaves_the_whole_bid_as_a_gap() -> None:
    found = disaggregate(BID, 5000, [member("a", 9000, "0%"), member("b", 0)])
    assert (found.sites, found.over_committable_w) == ({"a": 0, "b": 0}, 5000)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: disaggregate(BID, 1500, [member("a", 9000)]), "bid_step"),
        (lambda: disaggregate(BID, -1000, [member("a", 9000)]), "bid_step"),
        (lambda: disaggregate(BID, 1000, []), "no_members"),
        (lambda: disaggregate(BID, 1000, [member("a", 9000), member("a", 9000)]), "member_duplicate"),
        (lambda: member("a", 9000, headroom=9001), "headroom"),
        (lambda: member("a", 9000, headroom=-1), "headroom"),
        (lambda: member("a", 9000, "101%"), "portion"),
        (lambda: BidTerms(discount="90%", step_w=0), "bid_step"),
    ],
)
def test_a_bid_that_makes_no_sense_is_refused(make, code: str) -> None:
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.code == code


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["0%", "35%", "80%", "100%"]), st.integers(0, 40)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 150),
    st.sampled_from(["50%", "90%", "100%"]),
)
def test_nothing_of_a_bid_is_lost_and_nobody_is_overloaded(members, steps, discount) -> None:
    """Infeasible means an explicit gap: as small as committable capacity and headroom allow."""
    rule = BidTerms(discount=discount, step_w=1000)
    made = [
        member(f"s{i}", 1000 * max(n, room), confidence, 1000 * room)
        for i, (n, confidence, room) in enumerate(members)
    ]
    found = disaggregate(rule, steps * 1000, made)
    assert sum(found.sites.values()) + found.gap_w == steps * 1000
    for m in made:
        assert 0 <= found.sites[m.site] <= m.headroom_w
        assert found.sites[m.site] % 1000 == 0
    promised = committable_w(rule, made)
    room = sum(m.headroom_w for m in made if m.credible_w)
    assert sum(found.sites.values()) == min(steps * 1000, promised, room)
    assert disaggregate(rule, steps * 1000, made[::-1]).sites == found.sites
