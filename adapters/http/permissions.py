"""Who may do what: every route and the roles that may use it. A route that is not here does not start."""

from __future__ import annotations

from typing import Final

from ledger.access import Role

_MASTER_DATA: Final = frozenset[Role]({"finance", "auditor", "market_desk", "operator", "admin"})
_MONEY: Final = frozenset[Role]({"finance", "auditor", "admin"})
_ENGINEERING: Final = frozenset[Role]({"operator", "admin"})
_FINANCE: Final = frozenset[Role]({"finance", "admin"})
_PARTNER: Final = frozenset[Role]({"partner", "finance", "admin"})
_AUDIT: Final = frozenset[Role]({"auditor", "admin"})
_ADMIN: Final = frozenset[Role]({"admin"})

PERMISSIONS: Final[dict[str, frozenset[Role]]] = {
    "GET /v1/parties": _MASTER_DATA,
    "GET /v1/parties/{name}": _MASTER_DATA,
    "POST /v1/parties": _FINANCE,
    "GET /v1/sites": _MASTER_DATA,
    "GET /v1/sites/{name}": _MASTER_DATA,
    "POST /v1/sites": _ENGINEERING,
    "GET /v1/meters": _MASTER_DATA,
    "GET /v1/meters/{name}": _MASTER_DATA,
    "POST /v1/meters": _ENGINEERING,
    "GET /v1/devices": _MASTER_DATA,
    "GET /v1/devices/{name}": _MASTER_DATA,
    "POST /v1/devices": _ENGINEERING,
    "GET /v1/contracts": _MONEY,
    "GET /v1/contracts/{name}": _MONEY,
    "GET /v1/schemas/contract": _MONEY,
    "POST /v1/contracts": _FINANCE,
    "GET /v1/tariffs": _MASTER_DATA,
    "GET /v1/tariffs/{name}": _MASTER_DATA,
    "POST /v1/tariffs": _FINANCE,
    "GET /v1/prices": _MASTER_DATA,
    "POST /v1/prices": frozenset({"finance", "market_desk", "admin"}),
    "GET /v1/market/rules": _MASTER_DATA,
    "GET /v1/market/rules/{name}": _MASTER_DATA,
    "POST /v1/market/rules": _FINANCE,
    "GET /v1/market/facts": _MASTER_DATA,
    "GET /v1/market/facts/{name}": _MASTER_DATA,
    "POST /v1/market/facts": frozenset({"market_desk", "finance", "admin"}),
    "GET /v1/exclusivity/{name}": _MASTER_DATA,
    "POST /v1/exclusivity": _FINANCE,
    "GET /v1/readings": _MASTER_DATA,
    "POST /v1/readings": frozenset({"gateway", "operator", "admin"}),
    "GET /v1/sites/{name}/validations/{month}": _MASTER_DATA,
    "POST /v1/register-reads": frozenset({"gateway", "operator", "admin"}),
    "POST /v1/substitutions": frozenset({"operator", "finance", "admin"}),
    "GET /v1/imports": _MASTER_DATA,
    "POST /v1/imports": frozenset({"gateway", "operator", "finance", "admin"}),
    "POST /v1/imports/{name}/abandon": frozenset({"operator", "finance", "admin"}),
    "GET /v1/proposals": _MONEY,
    "GET /v1/proposals/{name}": _MONEY,
    "POST /v1/proposals/{name}/approve": _FINANCE,
    "POST /v1/proposals/{name}/reject": _FINANCE,
    "GET /v1/settlements": _MONEY,
    "GET /v1/settlements/{contract}/{month}": _MONEY,
    "POST /v1/settlements": _FINANCE,
    "GET /v1/statements": _MONEY | {"partner"},
    "GET /v1/statements/{contract}/{month}/{party}": _MONEY | {"partner"},
    "GET /v1/statements/{contract}/{month}/{party}/lines/{number}/explain": _MONEY | {"partner"},
    "GET /v1/statements/{contract}/{month}/{party}/document": _MONEY | {"partner"},
    "GET /v1/receivables": _MONEY | {"partner"},
    "GET /v1/statements/{contract}/{month}/{party}/{run}/life": _MONEY | {"partner"},
    "POST /v1/statements/{contract}/{month}/{party}/{run}/review": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/approve": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/issue": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/confirm": _PARTNER,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/accept-by-silence": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/disputes": _PARTNER,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/disputes/{dispute}/decide": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/disputes/{dispute}/correct": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/invoices": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/payments": _FINANCE,
    "POST /v1/statements/{contract}/{month}/{party}/{run}/write-offs": _FINANCE,
    "POST /v1/settlements/{contract}/{month}/finalise": _FINANCE,
    "GET /v1/months/{month}": _MONEY,
    "POST /v1/months/{month}/close": _FINANCE,
    "GET /v1/journal": _MONEY,
    "GET /v1/trial-balance": _MONEY,
    "GET /v1/events": _AUDIT,
    "GET /v1/events/{sequence}": _AUDIT,
    "GET /v1/status": _MASTER_DATA,
    "GET /v1/keys": _AUDIT,
    "POST /v1/keys": _ADMIN,
    "POST /v1/keys/{key_id}/revoke": _ADMIN,
}
"""A partner's rows are narrowed once more by PostgreSQL, whatever stands here."""
