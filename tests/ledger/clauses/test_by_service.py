"""Shares by the services that parties rendered, and the trap of weights that are all zero."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.documents.language import Wording
from ledger import contract_file
from ledger.clauses import CappedTier, RemainderSplit, StreamTier
from ledger.clauses.facts import Exclusion, MonthFacts, ServiceScore
from ledger.effective import History, Period
from ledger.interval import Month
from ledger.recorded_exclusion import ExclusionRecorded, Exclusions, RecordExclusion, WithdrawExclusion
from ledger.recorded_service import RecordServiceScore, ServiceScoreRecorded, ServiceScores
from ledger.refusal import Refused
from tests.ledger.clauses.months import Given, by_party, settled, with_rest
from tests.ledger.contract_samples import agency, eaas

SHARES = {"a-investor": "30%", "b-platform": "50%", "host": "20%"}
HOURS = {"a-investor": "700", "b-platform": "720.5", "host": "0"}


def tier(zero_scores: Any = "refused", **changes: Any) -> CappedTier:
    fields: dict[str, Any] = {
        "cap": "500000",
        "proration": "months",
        "shares": SHARES,
        "weights": "evidence",
        "zero_scores": zero_scores,
    }
    return CappedTier(**fields | changes)


def month(pool: str, service: dict[str, str], clause: Any) -> dict[str, str]:
    (done,) = settled(with_rest(clause), [Given(pool, facts=MonthFacts(service=service))])
    kind = str(type(clause).__struct_config__.tag)
    return by_party(done, kind)


def test_a_tier_is_divided_by_recorded_scores() -> None:
    """500,000.00 by 700 : 720.5 : 0 is 246,392.116 and 253,607.884; the fen left goes to .884."""
    assert month("1666666.67", HOURS, tier()) == {"a-investor": "246392.12", "b-platform": "253607.88"}
    assert month("1666666.67", HOURS, tier(weights="fixed", zero_scores=None)) == {
        "a-investor": "150000.00",
        "b-platform": "250000.00",
        "host": "100000.00",
    }


def test_a_line_says_the_score_and_the_total_in_both_languages() -> None:
    (done,) = settled(with_rest(tier()), [Given("1666666.67", facts=MonthFacts(service=HOURS))])
    (basis,) = {line.basis for line in done.lines if line.party == "a-investor"}
    assert basis == "700/1420.5 of the tier (at most 500,000.00 CNY) 500,000.00 CNY"
    assert Wording("zh").phrase(basis) == "本层收益 500,000.00 CNY（上限 500,000.00 CNY）的 700/1420.5"
    nothing = MonthFacts(service=dict.fromkeys(SHARES, "0"))
    (done,) = settled(with_rest(tier("shares")), [Given("100", facts=nothing)])
    (basis,) = {line.basis for line in done.lines if line.party == "host" and line.type == "capped_tier"}
    assert basis == "20% of the tier (at most 500,000.00 CNY), all scores being zero, 100.00 CNY"
    assert Wording("zh").phrase(basis) == "各方服务评分均为零，按合同份额：100.00 CNY 的 20%"


def test_streams_and_the_remainder_divide_by_scores_too() -> None:
    by = {"shares": SHARES, "weights": "evidence", "zero_scores": "refused"}
    wanted = {"a-investor": "25.00", "b-platform": "75.00"}
    scores = {"a-investor": "1", "b-platform": "3", "host": "0"}
    assert month("100", scores, StreamTier(streams=("arbitrage",), **by)) == wanted  # type: ignore[arg-type]
    assert month("100", scores, RemainderSplit(**by)) == wanted  # type: ignore[arg-type]


def test_where_all_scores_are_zero_the_contract_says_what_holds() -> None:
    """DOMAIN.md 5: pro-rata with zero weights. Refused, or by the shares that the contract states."""
    nothing = dict.fromkeys(SHARES, "0")
    with pytest.raises(Refused, match="all scores of 2026-01 are zero") as refused:
        month("100", nothing, tier())
    assert (refused.value.code, refused.value.place) == ("zero_scores", "facts.service")
    assert month("100", nothing, tier("shares")) == {
        "a-investor": "30.00",
        "b-platform": "50.00",
        "host": "20.00",
    }
    assert month("0", nothing, tier()) == {}, "nothing to divide is not refused"


def test_a_missing_score_is_not_zero() -> None:
    with pytest.raises(Refused, match="no score of host") as refused:
        month("100", {"a-investor": "1", "b-platform": "1"}, tier("shares"))
    assert refused.value.code == "service_missing"


def test_what_holds_without_scores_is_stated_exactly_with_them() -> None:
    for weights, zero_scores in (("evidence", None), ("fixed", "shares")):
        with pytest.raises(Refused) as refused:
            tier(zero_scores, weights=weights)
        assert (refused.value.code, refused.value.place) == ("zero_scores", "zero_scores")
    with pytest.raises(Refused) as refused:
        tier(weights="guess")
    assert (refused.value.code, refused.value.place) == ("not_allowed", "weights")


def test_a_file_states_it_in_two_lines() -> None:
    """And a contract with fixed shares is stored as before."""
    stored = msgspec.json.encode(tier(weights="fixed", zero_scores=None))
    assert b"weights" not in stored
    assert b"zero_scores" not in stored
    text = msgspec.json.encode(with_rest(tier("shares"))).decode()
    assert '"weights":"evidence","zero_scores":"shares"' in text
    assert contract_file.json_schema()


@settings(max_examples=60)
@given(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), st.integers(1, 10**9))
def test_parts_add_up_whatever_the_scores(scores: list[int], minor: int) -> None:
    service = {party: str(score) for party, score in zip(SHARES, scores, strict=True)}
    (done,) = settled(
        with_rest(RemainderSplit(shares=SHARES, weights="evidence", zero_scores="shares")),
        [Given(f"{minor // 100}.{minor % 100:02d}", facts=MonthFacts(service=service))],
    )
    assert sum(line.amount.minor for line in done.lines) == minor
    for line in done.lines:
        assert not any(scores) or service[line.party] != "0"


AUGUST = Month(2026, 8)


def registered(contract: Any) -> dict[str, object]:
    effective = contract.effective
    history = History().with_version(Period(effective.start, effective.end), contract)
    return {f"contract.{contract.id}": history}


def test_a_score_is_recorded_where_a_clause_divides_by_it() -> None:
    contract = with_rest(tier())
    score = ServiceScore(party="host", score="12.5", evidence="report 8")
    (event,) = RecordServiceScore(contract.id, AUGUST, score).decide(None, registered(contract))
    newer = msgspec.structs.replace(score, score="13")
    state = msgspec.structs.replace(event, score=newer).apply(event.apply(None))
    assert state == ServiceScores({"2026-08": {"host": newer}})
    for command in (
        RecordServiceScore(contract.id, Month(2040, 1), score),
        RecordServiceScore(contract.id, AUGUST, ServiceScore(party="operator", score="1", evidence="x")),
    ):
        with pytest.raises(Refused) as refused:
            command.decide(None, registered(contract))
        assert (refused.value.code, refused.value.place) == ("not_measured", "party")
    for wrong in ({"score": "-1"}, {"evidence": " "}, {"party": "no name"}):
        with pytest.raises(Refused):
            ServiceScore(**{"party": "host", "score": "1", "evidence": "x"} | wrong)


def recorded(state: ServiceScores | None, clause: Any, party: str, measure: str) -> ServiceScores:
    contract = with_rest(clause)
    score = ServiceScore(party=party, score="12.5", evidence="report 8")
    command = RecordServiceScore(contract.id, AUGUST, score, measure)
    (event,) = command.decide(state, registered(contract))
    return event.apply(state)


def test_scores_of_a_clause_are_of_one_measure() -> None:
    """Hours of one party beside counts of another would be divided as if they were alike."""
    hours = recorded(None, tier(), "host", "availability")
    assert hours.measures == {"2026-08": {"host": "availability"}}
    both = recorded(hours, tier(), "b-platform", "availability")
    for measure, said in (("done", "is of done"), ("", "is of no stated measure")):
        with pytest.raises(Refused, match=f"score of host of availability.*{said}") as refused:
            recorded(hours, tier(), "b-platform", measure)
        assert (refused.value.code, refused.value.place) == ("service_measure", "measure")
    with pytest.raises(Refused):
        recorded(both, tier(), "host", "done")
    assert recorded(hours, tier(), "host", "done").measures == {"2026-08": {"host": "done"}}, (
        "nobody's beside it"
    )
    later = ServiceScores({"2026-07": hours.scores["2026-08"]}, {"2026-07": {"host": "done"}})
    assert len(recorded(later, tier(), "host", "availability").measures) == 2, "another month's"


def test_scores_of_before_measures_were_stated_stay_and_get_theirs_one_by_one() -> None:
    old = recorded(recorded(None, tier(), "host", ""), tier(), "b-platform", "")
    assert old.measures == {}
    assert recorded(old, tier(), "host", "") == old
    with pytest.raises(Refused, match="of no stated measure, and this one is of done"):
        recorded(old, tier(), "a-investor", "done")
    first = recorded(old, tier(), "host", "done")
    assert recorded(first, tier(), "b-platform", "done").measures["2026-08"] == {
        "host": "done", "b-platform": "done",
    }  # fmt: skip
    with pytest.raises(Refused):
        recorded(first, tier(), "b-platform", "availability")
    event = msgspec.json.decode(
        b'{"kind":"service.score_recorded.v1","contract":"c-1","month":{"year":2026,"month":8},'
        b'"score":{"party":"host","score":"1","evidence":"x"}}',
        type=ServiceScoreRecorded,
    )
    assert event.measure == ""


def test_a_contract_states_what_its_scores_count() -> None:
    stated = tier(measure="availability")
    hours = recorded(recorded(None, tier(), "host", "done"), stated, "b-platform", "availability")
    assert recorded(hours, stated, "host", "availability").measures["2026-08"]["host"] == "availability"
    with pytest.raises(Refused, match="divides by availability, and this score is of done") as refused:
        recorded(None, stated, "host", "done")
    assert refused.value.code == "service_measure"
    with pytest.raises(Refused) as refused:
        tier(weights="fixed", zero_scores=None, measure="availability")
    assert refused.value.code == "service_measure"
    with pytest.raises(Refused):
        tier(measure="two words")


def storm(first: date = date(2026, 8, 1), end: date = date(2026, 8, 4)) -> Exclusion:
    return Exclusion(cause="force_majeure", first=first, end=end, evidence="notice 12")


def test_an_exclusion_is_stated_anew_and_withdrawn() -> None:
    contract = agency(carve_outs=("force_majeure",))
    (first,) = RecordExclusion("c-1", "storm", storm()).decide(None, registered(contract))
    (second,) = RecordExclusion("c-1", "storm", storm(end=date(2026, 8, 3))).decide(
        first.apply(None), registered(contract)
    )
    state = second.apply(first.apply(None))
    assert state == Exclusions({"storm": storm(end=date(2026, 8, 3))})
    (withdrawn,) = WithdrawExclusion("c-1", "storm", "notice 13").decide(state, {})
    assert withdrawn == ExclusionRecorded("c-1", "storm", None, "notice 13")
    gone = withdrawn.apply(state)
    with pytest.raises(Refused) as refused:
        WithdrawExclusion("c-1", "storm", "notice 13").decide(gone, {})
    assert refused.value.code == "already_withdrawn"
    with pytest.raises(Refused) as refused:
        WithdrawExclusion("c-1", "hail", "notice 13").decide(gone, {})
    assert refused.value.code == "unknown_exclusion"
    assert first.apply(gone).stated["storm"] == storm(), "and it may be stated once more"


@pytest.mark.parametrize(
    ("contract", "exclusion"),
    [
        (agency(), storm()),
        (agency(carve_outs=("availability",)), storm()),
        (agency(carve_outs=("force_majeure",)), storm(date(2025, 12, 1), date(2026, 1, 1))),
        (eaas(), storm()),
    ],
)
def test_only_days_that_a_clause_leaves_out_are_stated(contract: Any, exclusion: Exclusion) -> None:
    with pytest.raises(Refused) as refused:
        RecordExclusion("c-1", "storm", exclusion).decide(None, registered(contract))
    assert (refused.value.code, refused.value.place) == ("not_carved_out", "cause")
