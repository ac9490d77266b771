"""One plain sentence of an event in English or Chinese, from `sentences.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Sized
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Final

import msgspec

from adapters.documents.language import Language, Wording
from adapters.events import Event
from dispatch.control.command_life import SetpointRefused
from ledger.approval import ProposalMade
from ledger.capital.record import CapitalRecorded
from ledger.market_fact import MarketFactRecorded, MarketRulePublished
from ledger.meter_import import ReadingsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.quantity import decimal_text
from ledger.reconciliation.record import ReconciliationRecorded
from ledger.recorded_exclusion import ExclusionRecorded
from ledger.settlement.run import SettlementRecorded

_FILE: Final = Path(__file__).parent / "sentences.toml"
_SPANS_SHOWN: Final = 4
_WHOLE_PPM: Final = 1_000_000
_PPM_PERCENT: Final = 4
"""Decimals of a percent in millionths."""


def sentence(event: Event, aggregate: str, version: int, language: Language) -> str:
    """What the event says happened; `aggregate` and `version` are its own."""
    template = _templates()[str(event.__struct_config__.tag)][language]
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    own = fields.pop("id", None)
    given = {"id": aggregate.partition(".")[2], "event_id": own, "version": version, **fields}
    return _Words(language).vformat(template, (), {**given, **_more(event, language)})


def _more(event: Event, language: Language) -> dict[str, object]:
    """What a template asks for beside the event's own fields."""
    match event:
        case ProposalMade():
            return {"what": _tag(event.command)}
        case MarketFactRecorded():
            return {"what": _tag(event.fact)}
        case MarketRulePublished():
            return {"what": _tag(event.rule)}
        case CapitalRecorded():
            return {"what": _tag(event.entry)}
        case ReconciliationRecorded():
            return {"what": _tag(event.reconciliation.report)}
        case ReadingsSubstituted():
            return {"what": _tag(event.method)}
        case ReadingsRecorded():
            return {"spans": _spans(event, language)}
        case SettlementRecorded():
            return {"because": _because(event, language)}
        case SetpointRefused():
            words = _Words(language)
            between = ", " if language == "en" else "、"
            return {"because": between.join(words.format_field(code, "w") for code in event.interlocks)}
        case ExclusionRecorded():
            withdrawn = event.exclusion is None
            states = {"en": ("recorded", "withdrawn"), "zh": ("已登记", "已撤回")}
            return {"state": states[language][withdrawn]}
        case _:
            return {}


def _because(event: SettlementRecorded, language: Language) -> str:
    """Of a correction: what changed."""
    if not event.run.causes:
        return ""
    wording = Wording(language)
    causes = [wording.code(cause) for cause in event.run.causes]
    return f", because of {', '.join(causes)}" if language == "en" else f"，因{'、'.join(causes)}"


def _spans(event: ReadingsRecorded, language: Language) -> str:
    """Register, quality and time of each of its runs, the first few; and how much of it was watched, where
    that was not all."""
    texts = [
        f"{run.register} {''.join(sorted(set(run.quality)))} {_instant(run.start)}/{_instant(run.end)}"
        for run in event.runs
    ]
    more = f" +{len(texts) - _SPANS_SHOWN}" if len(texts) > _SPANS_SHOWN else ""
    return ", ".join(texts[:_SPANS_SHOWN]) + more + _watched(event, language)


def _watched(event: ReadingsRecorded, language: Language) -> str:
    least = min(event.evidence_ppm.values(), default=_WHOLE_PPM)
    if least == _WHOLE_PPM:
        return ""
    percent = decimal_text(least, _PPM_PERCENT)
    return f", {percent} % of it watched" if language == "en" else f"，其中{percent}%有遥测佐证"


def _tag(value: msgspec.Struct) -> str:
    return str(value.__struct_config__.tag)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


class _Words(Formatter):
    """`:w` a word in the language, `:k` a run's kind, `:n` how many."""

    def __init__(self, language: Language) -> None:
        self._language: Language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        match format_spec:
            case "n":
                assert isinstance(value, Sized)
                return str(len(value))
            case "w":
                return self._word(str(value))
            case "k":
                return Wording(self._language).run_kind(str(value))
            case _:
                return _instant(value) if isinstance(value, datetime) else str(value)

    def _word(self, word: str) -> str:
        known = _words().get(word) if self._language == "zh" else None
        return known or Wording(self._language).code(word).replace(".", " ")


@cache
def _templates() -> dict[str, dict[str, str]]:
    read: dict[str, dict[str, str]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {kind: texts for kind, texts in read.items() if kind != "word"}


@cache
def _words() -> dict[str, str]:
    words: dict[str, str] = tomllib.loads(_FILE.read_text(encoding="utf-8"))["word"]
    return words
