"""Under which exclusivity matrix a portfolio's sites are planned: the one that settlement applies to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from adapters.queries.registered import Recorded, Register
from dispatch.optimiser.rules import Rules, rules_of, strictest
from ledger.contract import DEFAULT_POLICY
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.refusal import Refused


class Matrix(NamedTuple):
    """The rules that hold for all sites of a plan, each site's matrix, and what it rests on."""

    rules: Rules
    conflicts: dict[str, Conflicts]
    rests_on: tuple[str, ...]


NO_MATRIX: Final = Matrix(Rules(), {}, ())
"""Of a plan that trades nothing."""


def policy_of(policies: Register[Policy], name: str) -> Recorded[Policy]:
    """The policy's newest version, as settlement takes it.

    Raises:
        Refused: `exclusivity_missing`.
    """
    versions = policies.versions.get(name)
    if not versions:
        wrong = f"no exclusivity policy {name} is published: what may stand beside a market is not known"
        raise Refused("exclusivity_missing", wrong, place="exclusivity")
    return versions[-1]


def policy_name(exclusivity: str | None) -> str:
    """The policy of a contract, or of a site without one."""
    return DEFAULT_POLICY if exclusivity is None else exclusivity


def matrix_of(policies: Iterable[tuple[str, Recorded[Policy]]]) -> Matrix:
    """The matrix of sites, each with its policy: one program has one set of rules, so that the strictest of
    all holds for all."""
    made: dict[str, Conflicts] = {}
    conflicts: dict[str, Conflicts] = {}
    rules: list[Rules] = []
    rests_on: list[str] = []
    for site, policy in policies:
        if policy.id not in made:
            made[policy.id] = Conflicts(policy.document)
            rules.append(rules_of(policy.document))
            rests_on.append(f"exclusivity.{policy.id} v{policy.version}")
        conflicts[site] = made[policy.id]
    return Matrix(strictest(rules), conflicts, tuple(rests_on))
