"""Every text that the ledger writes on a document is said in Chinese: found in its source, not remembered.

A new note, label or notice fails here until `phrases_zh.toml` knows it, or it is listed as no document's.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from adapters.documents.language import Wording

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = (
    "ledger/streams",
    "ledger/settlement/markets",
    "ledger/settlement/attribution.py",
    "ledger/settlement/behind_the_meter.py",
    "ledger/settlement/bill_terms.py",
    "ledger/settlement/clause_terms.py",
    "ledger/settlement/direct_form.py",
    "ledger/settlement/ended.py",
    "ledger/settlement/provisional.py",
    "ledger/settlement/split_basis.py",
    "ledger/settlement/statement.py",
    "ledger/allocation/unit_power.py",
    "ledger/allocation/unit_response.py",
    "ledger/allocation/unit_spot.py",
    "ledger/clauses",
    "ledger/kpi",
    "ledger/storage_saving.py",
    "ledger/waterfall.py",
)
ZH: Final = Wording("zh")
CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
FILLERS: Final = ("1", "1.00 CNY", "2026-08-01", "S1", "1 kWh", "discharged", "30%", "mileage", "month")
"""What stands in a text's places; the first of these that a pattern takes everywhere will do."""


class Text(NamedTuple):
    """`template` has `{}` where the code puts a value."""

    where: str
    template: str


def texts(path: Path) -> Iterator[Text]:
    """The texts with a blank of a module, without docstrings and what refusals and assertions say."""
    tree = ast.parse(path.read_text())
    left_out = {id(part) for node in ast.walk(tree) for part in _of_no_document(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in left_out:
            left_out |= {id(part) for part in ast.walk(node)} - {id(node)}
    for node in ast.walk(tree):
        template = _template(node)
        if template is not None and id(node) not in left_out and re.search(r"[a-z] |\} [a-z]", template):
            yield Text(f"{path.relative_to(ROOT)}:{node.lineno}", template)  # type: ignore[attr-defined]


def _template(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
    return None


def _of_no_document(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Assert() | ast.Raise():
            yield from ast.walk(node)
        case ast.Call(func=ast.Name(id="Refused" | "refuse_first" | "one_of")):
            yield from ast.walk(node)
        case ast.Call(func=ast.Attribute(attr="same_day" | "readings")):
            yield from ast.walk(node)
        case ast.keyword(arg="place"):
            yield from ast.walk(node)
        case ast.Expr(value=ast.Constant()):
            yield node.value
        case ast.FunctionDef():
            refused = {
                name.id
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Refused"
                for argument in call.args
                for name in ast.walk(argument)
                if isinstance(name, ast.Name)
            }
            for one in ast.walk(node):
                if isinstance(one, ast.Assign) and getattr(one.targets[0], "id", "") in refused:
                    yield from ast.walk(one)


NO_DOCUMENT: Final = {
    # What a refusal names, where it is not said in the refusal itself.
    "the portfolio",
    "the top-up of event {}",
    "real-time clearing {}",
    " or ",
    # Numbers, ids and digests alone.
    "{} x {}",
    "{} {} run {} ({}) {}",
    # Formulas, which are the same in every language, and what tells them apart.
    "100 * (aggregated - alone) / alone",
    "aggregated / alone",
    "100 * (bill_without - bill_with) / bill_without",
    "100 * discharged / (charged - stored_change)",
    "100 x ({})",
}
RETURN: Final = "30% of the return on capital (8% a year on 36,000,000 CNY, due 240,000.00 CNY) 1.00 CNY"
DUE: Final = "minimum take 10 kWh, taken 8 kWh, to make up 0 kWh: 0.5 CNY/kWh x 2 kWh - before 0.00 CNY"
MEAN: Final = (
    "discharge less charge at the grid's average factor; factor 1: CN, GB 1, evidence M: check before quoting"
)
EXPORT: Final = (
    "with the storage the site exported 500 Wh more (1200 -> 1700), worth the export price instead of the"
    " import price; the rest is each bill's lines being rounded by themselves"
)
COS_PHI: Final = "cos phi 0.91 without storage, 0.90 with it, standard 0.90: "
UNIT: Final = "payment of D1, run R1, of unit U1: 1 of 2 Wh delivered"
INDEXED: Final = "1,000 CNY/year of 2025 x 110/100 (CPI, 2026) x 1/12 year"
RISE: Final = "1,000 CNY/year of 2025 x 1.02 (2% a year, 1 times) x 1/12 year"
ORPHAN: Final = "instruction without award: 2 periods from 2026-08-01T09:00Z, "
IDLE: Final = "award without instruction: 1 period from 2026-08-01T09:00Z, "
NOT_CALLED: Final = "award a1 of run R1 was not called by an instruction: nothing is paid"
CAP: Final = "annual cap of R1, run 2026: programme 120, cap 100 CNY"
RESPONSE: Final = "2026-08-01 19:00 to 20:00: response 3 kWh of 4 kWh awarded"
BAND: Final = "0.8 to 1.2 of the award, factor 100%, at most 1.2 x award"

SAMPLES: Final[dict[str, str]] = {
    "Wh delivered": UNIT,
    "Wh short": "penalty of D1, run R1, of unit U1: 1 of 2 Wh short",
    "W x K": "mileage of D1, run R1, of unit U1: 1 of 2 W x K",
    "{} {}/{} x {} {} {} x {} {}": "200 CNY/kWh.year x 500 kWh nameplate x 1/12 year",
    "{}, all scores being zero,": "30% of the remainder, all scores being zero, 1.00 CNY",
    "{} a year on {} {}": RETURN,
    "return on capital ({}, due {})": RETURN,
    "tier (at most {})": "30% of the tier (at most 500,000.00 CNY) 1.00 CNY",
    "{} {}/kWh x {} kWh discharged": "0.5 CNY/kWh x 10 kWh discharged, less 0%",
    "{} {} for {} kWh discharged": "5 CNY for 10 kWh discharged, less 0%",
    "{}, less {}": "5 CNY for 10 kWh discharged, less 0%",
    "minimum take {} kWh, taken {} kWh, to make up {} kWh: {} {}/kWh x {} kWh - before {}": DUE,
    "of the {} {}": "70% of the remainder 45,678.91 CNY",
    "unpaid return on capital": "100% of the unpaid return on capital 1.00 CNY",
    "termination payment on {}": "100% of the termination payment on 2026-08-01 1.00 CNY",
    "minimum of {}, due {}: made up by {}": "minimum of a, due 1.00 CNY: made up by 0.50 CNY",
    "guaranteed to date {} (months: {}) + {} of the excess {} - due before {}": (
        "guaranteed to date 1.00 CNY (months: 2) + 60% of the excess 0.00 CNY - due before 0.00 CNY"
    ),
    "what is left of {} after the guarantee": "what is left of 3.00 CNY after the guarantee",
    "{} {}/{} of {} x {} x {} {}": INDEXED,
    "{} ({} a year, {} times)": RISE,
    "recovery of earlier losses": "50% of the recovery of earlier losses 1.00 CNY",
    "{} {}/kWh x {} kWh {}": "0.1 CNY/kWh x 10 kWh charged and discharged",
    "charged and discharged": "0.1 CNY/kWh x 10 kWh charged and discharged",
    "part above {}": "70% of the part above 100.00 CNY 1.00 CNY",
    " up to {}": "70% of the part above 0.00 CNY up to 100.00 CNY 1.00 CNY",
    "{}the power at which a site enters a market by itself": (
        "not stated: the power at which a site enters a market by itself"
    ),
    "{}what each site would cost by itself": "not stated: what each site would cost by itself",
    "not stated: ": "not stated: what each site would cost by itself",
    "; factor {}: {}": MEAN,
    "discharge less charge at the grid's average factor": MEAN,
    ", evidence {}: check before quoting": MEAN,
    "the discharge alone, without what charging emitted": (
        "the discharge alone, without what charging emitted; factor 1: CN, GB 1"
    ),
    "{}unavailable time of {}": "not stated: unavailable time of S1",
    "{}emission factors; publish a set, or name one of several": (
        "not stated: emission factors; publish a set, or name one of several"
    ),
    "{}capital and operating cost of {}": "not stated: capital and operating cost of S1",
    "net_per_year = {} x {} / {} settled months - {} operating cost; of the whole project, before contracts"
    " divide it": (
        "net_per_year = 12 x 3.00 / 3 settled months - 1.00 operating cost; of the whole project, before"
        " contracts divide it"
    ),
    "{} on {}": "the balance as if returned on 2026-08-31",
    "return left unpaid": "return left unpaid 2026-01",
    "minimum left unpaid": "minimum left unpaid 2026-01",
    "losses not recovered yet": "losses not recovered yet 2026-01",
    "due for": "due for 2026-01",
    "pool of": "pool of 2026-01",
    "made up of": "made up of 2026-01",
    "taken in {}": "taken in 2026-01",
    "taken, at its price, in": "taken, at its price, in 2026-01",
    "divided in the year before": "divided in the year before 2026-01",
    "{}capital paid in by this party": "not stated: capital paid in by this party",
    "net_per_year = {} x {} / {} settled months, the party's entitlement": (
        "net_per_year = 12 x 3.00 / 3 settled months, the party's entitlement"
    ),
    "{}, not counted as {}": "discharged, peak: spot, not counted as arbitrage",
    " and ": "demand charge of intervals that spot and ancillary had",
    "{}, feeder {}": "bill without storage, feeder F1",
    "feeder {}: ": "feeder F1: maximum demand 10.0 kW without storage, 9.0 kW with it",
    "the account": "the account pays for its capacity, whatever the demand",
    "the feeder": "feeder F1: the feeder pays for its capacity, whatever the demand",
    "{}{} pays for its capacity, whatever the demand": (
        "the account pays for its capacity, whatever the demand"
    ),
    "{}maximum demand {} kW without storage, {} kW with it": (
        "maximum demand 10.0 kW without storage, 9.0 kW with it"
    ),
    "{} of both bills' charges": f"{COS_PHI}-0.15 % of both bills' charges",
    "{} and {} of the charges": f"{COS_PHI}-0.15 % and +0.00 % of the charges",
    "cos phi {} without storage, {} with it, standard {}: {}": f"{COS_PHI}-0.15 % of both bills' charges",
    ", prices of {}": "discharged, peak, prices of 2026-08",
    "{}, run {}, of unit {}": UNIT,
    "{} of {}: {}": "energy of D1, run R1, of unit U1: metered 1 Wh of 2 Wh scheduled, bears 1 Wh of the"
    " unit's deviation",
    "{} of {}: {} of {} {}": UNIT,
    "{} of {}: by the unit's terms, not by weight": (
        "deviation of D1, run R1, of unit U1: by the unit's terms, not by weight"
    ),
    "{} to {}": "under no contract on 2026-08-01 to 2026-08-09: what f1 would earn there falls to nobody",
    "with the storage the site exported {} Wh {} ({} -> {}), worth the export price instead of the import"
    " price; the rest is each bill's lines being rounded by themselves": EXPORT,
    " (the ratio {} is capped)": "multiplied by 1.2 (the ratio 1.3 is capped)",
    "{} to {} UTC": "from 09:00 to 10:00 UTC and 12:00 to 13:00 UTC",
    "mean of ": "mean of 2026-08-01, 2026-08-02",
    "{} day": "rest day",
    "programme {}, cap {}": CAP,
    "annual cap of {}, run {}: {} {}": CAP,
    " to {}": BAND,
    ", at most {} x award": BAND,
    "{} kWh": RESPONSE,
    "{}: nothing is paid": NOT_CALLED,
    "shortfall {}: {} is less than {} of {}": (
        "shortfall 2026-08-01 19:00 to 20:00: 1 kWh is less than 50% of 4 kWh"
    ),
    "award without instruction: {}, ": f"{IDLE}not paid",
    "capacity paid, no mileage": f"{IDLE}capacity paid, no mileage",
    "not paid": f"{IDLE}not paid",
    "instruction without award: {}, ": f"{ORPHAN}not paid",
    "{}not paid": f"{ORPHAN}not paid",
    "{}mileage paid": f"{ORPHAN}mileage paid",
    "{} period{} from {}": f"{ORPHAN}mileage paid".replace("periods", "period"),
    "{}, month less its days": "injected, month less its days",
    "{}, {} of charging": "transmission, all of charging",
    "run {}; {}": "run R1; baseline zero",
    "{}: response {} of {} awarded; {}": f"{RESPONSE}; {BAND}",
    "; {} intervals excused by an outage": "run R1; 3 intervals excused by an outage",
    "{} of unit {}, statement {}; {}": "payment of unit U1, statement f1; 100 W, available 0.9",
    "{}; compared without the storage in intervals that {} had": (
        "the account pays for its capacity, whatever the demand; compared without the storage in intervals"
        " that spot had"
    ),
    "delivered {} of {} Wh committed; {}": "delivered 1 of 2 Wh committed; baseline zero",
    "present value of costs = capital + operating cost of each year - residual; {}": (
        "present value of costs = capital + operating cost of each year - residual; a year's energy = 12 x"
        " the month's"
    ),
    "of the party's own capital and entitlements, each on its day; the balance as if returned": (
        "of the party's own capital and entitlements, each on its day; the balance as if returned on"
        " 2026-08-31"
    ),
}
"""Texts that need other values than the fillers, and parts of a text within all of it."""


@cache
def found() -> list[Text]:
    """The texts of all sources; read by the tests and not by every process that only collects them."""
    return [
        text
        for source in SOURCES
        for path in sorted((ROOT / source).rglob("*.py") if (ROOT / source).is_dir() else [ROOT / source])
        for text in texts(path)
    ]


def in_chinese(text: str) -> bool:
    """Whether every part of it is: none stays as it was recorded."""
    return all(CHINESE.search(part) for part in re.split("; |；", ZH.phrase(text)))


def said(template: str) -> bool:
    if template in SAMPLES:
        return in_chinese(SAMPLES[template])
    return any(in_chinese(template.replace("{}", filler)) for filler in FILLERS)


def test_every_text_that_the_ledger_writes_is_said_in_chinese() -> None:
    silent = [
        f"{one.where}: {one.template}"
        for one in found()
        if one.template not in NO_DOCUMENT and not said(one.template)
    ]
    assert not silent, "\n".join(silent)


def test_what_is_listed_is_still_written() -> None:
    written = {one.template for one in found()}
    assert not (NO_DOCUMENT | SAMPLES.keys()) - written


def test_a_text_in_parts_is_said_in_parts() -> None:
    """Of a market's line: known parts in Chinese, ids and words of others as they are."""
    note = "run R1; baseline recent_days; mean of 2026-07-30, 2026-07-31; not used, rest day: 2026-08-01"
    assert ZH.phrase(note) == (
        "市场批次 R1；基线：前几日均值；取 2026-07-30, 2026-07-31 的平均；未采用（休息日）：2026-08-01"
    )
    assert ZH.phrase("as somebody wrote; rest day") == "as somebody wrote；休息日"
    assert ZH.phrase("as somebody wrote; and more") == "as somebody wrote; and more"
    assert ZH.phrase("demand charge of intervals that spot and ancillary had") == (
        "现货市场、辅助服务占用时段的需量电费"
    )


def test_a_new_text_that_nobody_translated_would_be_found(tmp_path: Path) -> None:
    module = tmp_path / "new.py"
    module.write_text('def f(day):\n    """Docs are not shown."""\n    return f"{day}: brand new words"\n')
    tree = ast.parse(module.read_text())
    found = [_template(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    assert found == ["{}: brand new words"]
    assert not said("{}: brand new words")
