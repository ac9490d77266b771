"""Settling one trading unit's spot market over an interval, mostly a month: every item a line of its own."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from ledger.clauses.share import amount
from ledger.quantity import Price, exact
from ledger.refusal import Refused
from ledger.streams.earned import Earned
from ledger.streams.spot.energy import (
    contract_lines,
    energy_lines,
    no_contract_terms,
    real_time_lines,
    trade_lines,
)
from ledger.streams.spot.facts import SpotMonth
from ledger.streams.spot.leaves import priced_line, stated_line
from ledger.streams.spot.prices import SpotPrices
from ledger.streams.spot.recoveries import declaration_recovery, execution_penalty, levelling
from ledger.streams.spot.rule import (
    DeclarationRecovery,
    ExecutionPenalty,
    Levelling,
    NoContractUser,
    SpotRule,
)
from ledger.streams.spot.unit import Quantity, TradingUnit, check_fact, metered, scheduled


def spot_earnings(rule: SpotRule, unit: TradingUnit, prices: SpotPrices) -> tuple[Earned, ...]:
    """What the unit earned, one line for each settlement item, rounded once (DOMAIN.md 3.0 and 3.5).

    Above zero is receivable by the storage's side. In this order, where they apply: day-ahead energy and
    real-time deviation of each direction; each contract for difference and its node spread; each
    intraday trade; declaration recovery; execution penalty; levelling; transmission price and funds on
    charging energy; and what the operator states for items whose numbers the rule lacks.

    Raises:
        Refused: `rule` for prices of another rule; `profile`, `energy_range`, `interval`;
            `day_ahead_clearing`, `clearing_missing`, `clearing_overlap`, `declaration_missing`,
            `declaration_overlap`;
            `statement_missing`, `statement_interval`; `price_missing`; `grid_charges`, `currency`, `unit`;
            `item_unstated`, `item_computed`; `without_contract`; `fact_site`, `fact_rule`.
    """
    if prices.rule != rule.id:
        raise Refused("rule", f"the prices are of rule {prices.rule}, not {rule.id}")
    if unit.statement is not None:
        _check_statement(unit.statement, unit, prices)
    real_time = metered(unit, prices)
    without = rule.item(NoContractUser)
    if without is not None and _statement(unit).without_contract:
        lines = [_without_contract(without, unit, real_time, prices)]
    else:
        lines = _traded(rule, unit, real_time, prices)
        for contract in unit.contracts:
            lines += contract_lines(contract, unit, prices)
        for trade in unit.trades:
            lines += trade_lines(trade, unit, prices)
        lines += _items(rule, unit, real_time, prices)
    return (*lines, *_charging(rule, unit, prices), *_stated(rule, unit, prices))


def _traded(rule: SpotRule, unit: TradingUnit, real_time: Quantity, prices: SpotPrices) -> list[Earned]:
    if rule.settlements == "two":
        return energy_lines(scheduled(unit.clearings, unit, prices, "clearing"), real_time, prices)
    for clearing in unit.clearings:
        wrong = f"rule {rule.id} has no day-ahead settlement"
        raise Refused("day_ahead_clearing", wrong, place=f"clearing {clearing.id}")
    return real_time_lines(real_time, prices)


def _items(rule: SpotRule, unit: TradingUnit, real_time: Quantity, prices: SpotPrices) -> list[Earned]:
    lines: list[Earned] = []
    recovery, penalty = rule.item(DeclarationRecovery), rule.item(ExecutionPenalty)
    if recovery is not None or penalty is not None:
        declared = scheduled(unit.declarations, unit, prices, "declaration")
        if recovery is not None:
            lines.append(declaration_recovery(recovery, declared, real_time, prices))
        if penalty is not None:
            price = _monthly(unit, "assessment_price_per_kwh")
            lines.append(execution_penalty(penalty, declared, real_time, price, prices))
    if rule.item(Levelling) is not None:
        statement = _statement(unit)
        month = Quantity(
            *(np.array([wh], dtype=np.int64) for wh in (statement.injected_wh, statement.withdrawn_wh))
        )
        price = _monthly(unit, "composite_price_per_kwh")
        lines.append(levelling(month, real_time, price, prices))
    return lines


def _without_contract(
    item: NoContractUser, unit: TradingUnit, real_time: Quantity, prices: SpotPrices
) -> Earned:
    if unit.contracts or unit.clearings or unit.trades:
        raise Refused("without_contract", f"{unit.site} is stated to have none, yet has one or a clearing")
    if real_time.injected.any():
        raise Refused(
            "without_contract", f"{unit.site} injected energy: the rule is for users", place="injected_wh"
        )
    price = _monthly(unit, "real_time_price_per_kwh")
    terms = no_contract_terms(unit, amount(item.factor, "factor"), price)
    return priced_line(
        f"energy without a contract, {item.factor} x the monthly real-time price", [terms], prices
    )


def _charging(rule: SpotRule, unit: TradingUnit, prices: SpotPrices) -> list[Earned]:
    """Transmission price and funds on charging energy, by the month's quantity where it is stated.

    DOMAIN.md 3.5: of grid-side independent storage, what is sent back bears neither.
    """
    if rule.charging_bears in ("nothing", "billed_elsewhere"):
        return []
    if unit.statement is not None:
        injected, withdrawn = unit.statement.injected_wh, unit.statement.withdrawn_wh
    else:
        injected, withdrawn = (int(values.sum()) for values in (unit.injected_wh, unit.withdrawn_wh))
    bearing = withdrawn if rule.charging_bears == "all" else max(withdrawn - injected, 0)
    if not withdrawn:
        return []
    if unit.grid_charges is None:
        raise Refused(
            "grid_charges", f"charging of {unit.site} bears transmission and funds", place="grid_charges"
        )
    terms: list[tuple[str, Fraction, Fraction]] = []
    for label, price in (
        ("transmission", unit.grid_charges.transmission),
        ("funds", unit.grid_charges.funds),
    ):
        _check_charge(price, rule, label)
        terms.append((f"{label}, {rule.charging_bears} of charging", Fraction(-bearing), price.exact))
    return [priced_line("transmission price and funds on charging", terms, prices)]


def _check_charge(price: Price, rule: SpotRule, place: str) -> None:
    if price.currency != rule.currency:
        raise Refused("currency", f"{price.currency} is not {rule.currency}", place=place)
    if price.unit != "kWh":
        raise Refused("unit", f"{price.unit} is not kWh", place=place)


def _stated(rule: SpotRule, unit: TradingUnit, prices: SpotPrices) -> list[Earned]:
    given = {one.item: one for one in unit.statement.recovered} if unit.statement is not None else {}
    for name in given:
        if name not in rule.unstated:
            raise Refused("item_computed", f"{rule.id} computes {name} or has none", place="recovered")
    lines: list[Earned] = []
    for name in rule.unstated:
        if name not in given:
            raise Refused(
                "item_unstated",
                f"{rule.id} lacks the numbers of {name}: complete the rule, or give the operator's amount",
                place="statement.recovered",
            )
        recovered = amount(given[name].recovered, "recovered")
        note = f"{name.replace('_', ' ')}, as the operator states it: not recomputed"
        lines.append(stated_line(note, -recovered, prices))
    return lines


def _statement(unit: TradingUnit) -> SpotMonth:
    if unit.statement is None:
        raise Refused("statement_missing", f"{unit.site} needs its monthly statement", place="statement")
    return unit.statement


def _monthly(unit: TradingUnit, field: str) -> Fraction:
    text: str | None = getattr(_statement(unit), field)
    if text is None:
        raise Refused("price_missing", f"the statement of {unit.site} has no {field}", place=field)
    return exact(text)


def _check_statement(statement: SpotMonth, unit: TradingUnit, prices: SpotPrices) -> None:
    check_fact(statement, unit, prices)
    if statement.interval != prices.interval:
        raise Refused(
            "statement_interval",
            f"is about {statement.interval.start} to {statement.interval.end}, not the settled interval",
            place=statement.id,
        )
