"""What markets told, the rules that it is settled by, and who may be paid for which kWh and kW."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, RawBody

from adapters.front_door import Wish
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import (
    ID_PATTERN,
    Effective,
    Name,
    RecordedVersion,
    bodies,
    effective_instant,
    history,
)
from adapters.http.registered_routes import registered_routes
from adapters.http.view import View
from adapters.queries import market_facts
from ledger import market_rule_file
from ledger.effective import Period
from ledger.exclusivity import policy_file
from ledger.exclusivity.policy import Policy
from ledger.exclusivity.published import PublishExclusivity
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.streams import Fact


class RuleVersion(RecordedVersion, frozen=True, kw_only=True):
    """`document` is the rule as its file states it; its `type` says which stream it is of."""

    document: dict[str, Any]


class PolicyVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Policy


class PolicyHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[PolicyVersion, ...]


class MarketFacts(msgspec.Struct, frozen=True):
    """Clearings, awards, instructions, performance, orders ...: all are stored, or none."""

    facts: Annotated[tuple[Fact, ...], msgspec.Meta(min_length=1, max_length=500)]


class FactsStored(msgspec.Struct, frozen=True):
    """One receipt a fact, in the order sent."""

    stored: tuple[Stored, ...]


class FactVersion(RecordedVersion, frozen=True, kw_only=True):
    document: dict[str, Any]


class FactPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[FactVersion, ...]
    next_cursor: str | None


class FactHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[FactVersion, ...]


@post(
    "/market/rules",
    summary="Publish a market's rule, as its readable TOML file states it",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Markets"],
    sync_to_thread=True,
)
def publish_rule(
    publishing: NamedDependency[Publishing], period: NamedDependency[Period], body: RawBody
) -> Response[Stored | Checked]:
    return publishing.publish(PublishMarketRule(period, market_rule_file.parse(body)))


@post(
    "/market/facts",
    summary="Record what a market told, or its correction under the same id and another run",
    responses=WRITE_PROBLEMS,
    tags=["Markets"],
    sync_to_thread=True,
)
def record_facts(intake: NamedDependency[Intake], data: JSONBody[MarketFacts]) -> Response[FactsStored]:
    wishes = [Wish(RecordMarketFact(fact), intake.command_id) for fact in data.facts]
    receipts = intake.execute_all(wishes)
    answer = FactsStored(tuple(stored(receipt) for receipt in receipts))
    return replayable(answer, repeated=all(receipt.repeated for receipt in receipts))


@get(
    "/market/facts",
    summary="What markets told, by id, each in the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Markets"],
    sync_to_thread=True,
)
def list_facts(
    view: NamedDependency[View],
    site: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    rule: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    effective: Effective = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> FactPage:
    with view.page(cursor, str, "") as (connection, position, after):
        instant = None if effective is None else effective_instant(connection, position, effective)
        entries = market_facts.page(
            connection, position, site=site, rule=rule, effective=instant, after=after, limit=limit + 1
        )
    more = cursor_of(position, entries[limit - 1].id) if len(entries) > limit else None
    return FactPage(position, bodies(entries[:limit], FactVersion), more)


@get(
    "/market/facts/{name:str}",
    summary="All recorded versions of a market fact",
    responses=READ_PROBLEMS,
    tags=["Markets"],
    sync_to_thread=True,
)
def show_fact(view: NamedDependency[View], name: Name, effective: Effective = None) -> FactHistory:
    position, entries = history(view, "market_fact", dict[str, Any], name, effective)
    return FactHistory(position, name, bodies(entries, FactVersion))


@get(
    "/exclusivity/{name:str}",
    summary="All recorded versions of an exclusivity policy",
    responses=READ_PROBLEMS,
    tags=["Markets"],
    sync_to_thread=True,
)
def show_policy(view: NamedDependency[View], name: Name) -> PolicyHistory:
    position, entries = history(view, "exclusivity", Policy, name)
    return PolicyHistory(position, name, bodies(entries, PolicyVersion))


@post(
    "/exclusivity",
    summary="Publish who may be paid for which kWh and kW, as a readable TOML file states it",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Markets"],
    sync_to_thread=True,
)
def publish_policy(publishing: NamedDependency[Publishing], body: RawBody) -> Response[Stored | Checked]:
    return publishing.publish(PublishExclusivity(policy_file.parse(body)))


ROUTES = (
    *registered_routes(
        "/market/rules",
        "market_rule",
        dict[str, Any],
        RuleVersion,
        lists=("list_rules", "Market rules by id, each with the version recorded last"),
        shows=("show_rule", "All recorded versions of a market rule"),
        tag="Markets",
    ),
    publish_rule,
    record_facts,
    list_facts,
    show_fact,
    show_policy,
    publish_policy,
)
