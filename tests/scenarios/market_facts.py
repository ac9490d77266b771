"""What a market scenario's ``given/`` tells, as the product's own facts."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ledger import market_rule_file
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.quantity import Price
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import AvailabilityMeasured, CapacityCertified, NodeAvailability
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseTopUpInvitation,
)
from ledger.streams.regulation import (
    AgcInstructions,
    RegulationAward,
    RegulationPerformance,
    RegulationPrices,
    RegulationShare,
)
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotClearing, SpotContract, SpotDeclaration, SpotMonth, StatedRecovery
from tests.scenarios.test_scenarios import table

EXAMPLES = Path(__file__).parents[2] / "examples"
ZONE = zone_of("Asia/Shanghai")
QUARTER_S = 900
DAY_S = 86400
PRICE_SCALE = 6
MEASURE_SCALE = 4


def minutes(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


class Told:
    """One folder's tables and facts."""

    def __init__(self, folder: Path) -> None:
        self.given = folder / "given"
        text = (self.given / "market.toml").read_text(encoding="utf-8")
        self.told: dict[str, Any] = tomllib.loads(text, parse_float=str)
        self.month = Month.parse(self.told["month"])
        self.whole = self.month.interval(ZONE)
        self.rules: dict[str, Any] = {rule.id: rule for rule in map(self._rule, self.told.get("rules", []))}

    def _rule(self, name: str) -> Rule:
        own = self.given / f"{name}.toml"
        file = own if own.exists() else EXAMPLES / "market_rules" / f"{name}.toml"
        return market_rule_file.parse(file.read_bytes())

    def of(self, section: str) -> list[dict[str, Any]]:
        found = self.told.get(section, [])
        return found if isinstance(found, list) else [found]

    def span(self, day: str, start: str, until: str) -> Interval:
        at = midnight(date.fromisoformat(day), ZONE)
        return Interval(at + timedelta(minutes=minutes(start)), at + timedelta(minutes=minutes(until)))

    def steps(self, name: str, step_s: int, column: str, **where: str) -> list[Fraction]:
        """A column over the month; what no row covers is zero, and a later row replaces an earlier one."""
        values = [Fraction(0)] * (self.whole.seconds // step_s)
        path = self.given / f"{name}.csv"
        for row in table(path) if path.exists() else []:
            if all(row[key] == value for key, value in where.items()):
                every = range(1, self.month.days + 1)
                for day in every if row["date"] == "*" else [date.fromisoformat(row["date"]).day]:
                    at = (day - 1) * DAY_S // step_s
                    first, last = (minutes(row[key]) * 60 // step_s for key in ("from", "until"))
                    values[at + first : at + last] = [Fraction(row[column] or 0)] * (last - first)
        return values

    def energy(self, column: str) -> Any:
        return np.array([int(wh) for wh in self.steps("measured", QUARTER_S, column)], dtype=np.int64)

    def facts(self) -> list[Fact]:
        found: list[Fact] = []
        for kind in (self._response, self._spot, self._regulation, self._capacity, self._service):
            found += kind()
        return found

    def _response(self) -> list[Fact]:
        found: list[Fact] = []
        windows: dict[str, Interval] = {}
        for told in self.of("demand_response"):
            window = self.span(told["date"], told["from"], told["until"])
            windows[told["id"]] = window
            announced = midnight(date.fromisoformat(told["announced"]), ZONE) + timedelta(hours=10)
            own = {"site": "S", "rule": told["rule"], "run": "r", "interval": window}
            awarded = (int(Fraction(str(told["awarded_kw"])) * 1000),) * (window.seconds // QUARTER_S)
            found.append(
                DemandResponseInvitation(
                    id=told["id"],
                    announced=announced,
                    awarded_w=awarded,
                    clearing_price=told.get("clearing_price"),
                    **own,
                )
            )
            if told.get("called", True):
                issued = window.start - timedelta(minutes=30)
                found.append(
                    DemandResponseInstruction(
                        id=f"{told['id']}-call", invitation=told["id"], issued=issued, **own
                    )
                )
        found += [
            DemandResponseTopUpInvitation(
                id=f"{told['of']}-top-up",
                site="S",
                rule=told["rule"],
                run="r",
                interval=windows[told["of"]],
                invitation=told["of"],
            )
            for told in self.of("top_up")
        ]
        for told in self.of("contracted"):
            watts = int(Fraction(str(told["kw"])) * 1000)
            found.append(
                DemandResponseCapacity(
                    id="contracted",
                    site="S",
                    rule=told["rule"],
                    run="r",
                    interval=self.whole,
                    contracted_w=watts,
                )
            )
        year = Interval(
            midnight(date(self.month.year, 1, 1), ZONE), midnight(date(self.month.year + 1, 1, 1), ZONE)
        )
        found += [
            DemandResponseAnnualCut(
                id="cut", rule=told["rule"], run="r", interval=year, programme=told["programme"]
            )
            for told in self.of("annual_cut")
        ]
        return found

    def _spot(self) -> list[Fact]:
        found: list[Fact] = []
        for told in self.of("spot"):
            rule = self.rules[told["rule"]]
            own: dict[str, Any] = {"site": "S", "rule": rule.id, "run": "r", "interval": self.whole}
            for kind, name in ((SpotClearing, "clearing"), (SpotDeclaration, "declaration")):
                if any(row["kind"] == name for row in table(self.given / "spot_schedule.csv")):
                    wh: dict[str, Any] = {
                        f"{way}_wh": tuple(
                            map(int, self.steps("spot_schedule", rule.interval_s, f"{way}_wh", kind=name))
                        )
                        for way in ("injected", "withdrawn")
                    }
                    found.append(kind(id=name, **wh, **own))
            if (self.given / "spot_contract.csv").exists():
                volume = self.steps("spot_contract", rule.interval_s, "volume_wh")
                price = self.steps("spot_contract", rule.interval_s, "price_per_kwh")
                texts = tuple(str(Price.parse(_decimal(one), "CNY", "kWh")) for one in price)
                found.append(
                    SpotContract(id="cfd", volume_wh=tuple(map(int, volume)), price_per_kwh=texts, **own)
                )
            if "injected_wh" in told:
                stated = told.get("recovered", {}).items()
                found.append(
                    SpotMonth(
                        id="statement",
                        injected_wh=told["injected_wh"],
                        withdrawn_wh=told["withdrawn_wh"],
                        without_contract=told.get("without_contract", False),
                        composite_price_per_kwh=told.get("composite_price_per_kwh"),
                        real_time_price_per_kwh=told.get("real_time_price_per_kwh"),
                        assessment_price_per_kwh=told.get("assessment_price_per_kwh"),
                        recovered=tuple(
                            StatedRecovery(item=item, recovered=amount) for item, amount in stated
                        ),
                        **own,
                    )
                )
        return found

    def _regulation(self) -> list[Fact]:
        found: list[Fact] = []
        for told in self.of("regulation"):
            rule = self.rules[told["rule"]]
            rows = table(self.given / "regulation.csv")
            (day,) = {row["date"] for row in rows}
            spans = [self.span(day, row["from"], row["until"]) for row in rows]
            whole = Interval(spans[0].start, spans[-1].end)
            assert all(a.end == b.start for a, b in pairwise(spans))
            own: dict[str, Any] = {
                "rule": rule.id,
                "run": "r",
                "interval": whole,
                "product": rule.products[0],
            }

            def whole_numbers(column: str, factor: int, rows: Any = rows) -> tuple[int, ...]:
                return tuple(_whole(Fraction(row[column]) * factor) for row in rows)

            for kind, column in (
                ("mileage", "mileage_price"),
                ("capacity", "capacity_price"),
                ("mileage_ratio",) * 2,
            ):
                if column in rows[0]:
                    found.append(
                        RegulationPrices(
                            id=f"price-{kind}",
                            kind=kind,  # type: ignore[arg-type]
                            currency="CNY",
                            scale=MEASURE_SCALE,
                            mantissas=whole_numbers(column, 10**MEASURE_SCALE),
                            **own,
                        )
                    )
            found.append(
                RegulationAward(id="award", site="S", capacity_w=whole_numbers("award_kw", 1000), **own)
            )
            available = whole_numbers("available_s", 1) if "available_s" in rows[0] else None
            if "score" in rows[0]:
                found.append(
                    RegulationPerformance(
                        id="performance",
                        site="S",
                        instructions=whole_numbers("instructions", 1),
                        mileage_w=whole_numbers("mileage_kw", 1000),
                        score=whole_numbers("score", 10**MEASURE_SCALE),
                        score_scale=MEASURE_SCALE,
                        available_s=available,
                        **own,
                    )
                )
            else:
                found.append(self._instructions(day, whole, own, available))
            if "shared_mwh" in told:
                found.append(
                    RegulationShare(
                        id="share",
                        rule=rule.id,
                        run="r",
                        interval=self.span(day, "00:00", "24:00"),
                        shared_wh=told["shared_mwh"] * 10**6,
                        total_wh=told["total_mwh"] * 10**6,
                    )
                )
        return found

    def _instructions(
        self, day: str, whole: Interval, own: dict[str, Any], available: Any
    ) -> AgcInstructions:
        rows = table(self.given / "agc.csv")
        names = [name for name in rows[0] if name not in {"date", "at", "mileage_kw"}]
        started = [
            datetime.fromisoformat(f"{day}T{row['at']}").replace(tzinfo=ZONE) - whole.start for row in rows
        ]
        return AgcInstructions(
            id="agc",
            site="S",
            started_s=tuple(int(one.total_seconds()) for one in started),
            mileage_w=tuple(_whole(Fraction(row["mileage_kw"]) * 1000) for row in rows),
            measures={
                name: tuple(_whole(Fraction(row[name]) * 10**MEASURE_SCALE) for row in rows) for name in names
            },
            scale=MEASURE_SCALE,
            available_s=available,
            **own,
        )

    def _capacity(self) -> list[Fact]:
        found: list[Fact] = []
        for told in self.of("capacity"):
            own: dict[str, Any] = {"site": "S", "rule": told["rule"], "run": "r", "interval": self.whole}
            nodes = tuple(
                NodeAvailability(
                    node=node["node"],
                    energy_wh=node["kwh"] * 1000,
                    available_min=node["available_min"],
                    unavailable_min=node["unavailable_min"],
                )
                for node in told["node"]
            )
            found += [
                CapacityCertified(
                    id="certificate",
                    nameplate_w=told["nameplate_kw"] * 1000,
                    certified_w=told["certified_kw"] * 1000,
                    full_hours=str(told["full_hours"]),
                    behind_the_meter=told["behind_the_meter"],
                    **own,
                ),
                AvailabilityMeasured(id="availability", nodes=nodes, **own),
            ]
        return found

    def _service(self) -> list[Fact]:
        return [
            ServiceOrdered(
                id="order",
                site="S",
                rule=told["rule"],
                run="r",
                interval=self.whole,
                customer=told["customer"],
                ordered_w=told["ordered_kw"] * 1000,
            )
            for told in self.of("service")
        ]


def _whole(value: Fraction) -> int:
    assert value.denominator == 1, value
    return int(value)


def _decimal(value: Fraction) -> str:
    whole = _whole(value * 10**PRICE_SCALE)
    sign, digits = "-" if whole < 0 else "", f"{abs(whole):07d}"
    return f"{sign}{digits[:-PRICE_SCALE]}.{digits[-PRICE_SCALE:]}"
