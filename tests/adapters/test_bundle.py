"""Bundles of a real book: each party proves its own share and is shown nothing of anybody else.

"A partner's bundle proves the partner's own share without showing others' lines; a crawl of bundles finds
nothing foreign." Everything is checked by the stand-alone verifier, which knows nothing of us.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import itertools
import json
import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from adapters import continuity, disclosing
from adapters.bundle.book_bundle import book_bundle, gzipped
from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.queries import statements
from ledger import contract_file
from ledger.contract import Contract
from ledger.disclosure.commitment import Commitment
from ledger.quantity import MINOR_DIGITS, decimal_text
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import filled, settle
from tests.adapters.transparency.books import append_parties, published_log
from tests.stack import NatsServer, PostgresServer
from tests.verifier.test_verify_bundle import verifier

INVESTORS = tuple(f"investor-{letter}" for letter in "abcdefghijk")
PARTIES = ("host-s1", *INVESTORS)
MONTH = "2026-08"


def many_parties() -> Contract:
    """Twelve parties who see nothing of each other, each with another share."""
    shares = {party: f"{number + 3}.37%" for number, party in enumerate(INVESTORS)}
    left = 10_000 - sum(int(share[:-1].replace(".", "")) for share in shares.values())
    shares["host-s1"] = f"{left // 100}.{left % 100:02d}%"
    sees = "{ pool_total = false, others_percentages = false, host_bill = false }"
    parties = "".join(
        f'[[parties]]\nid = "{party}"\nrole = "{party.partition("-")[0]}"\nsees = {sees}\n'
        for party in PARTIES
    )
    split = ", ".join(f'{party} = "{share}"' for party, share in shares.items())
    return contract_file.parse(
        f"""
id = "many"
title = "Twelve who do not know each other"
model = "co_investment"
sites = ["S1"]
currency = "CNY"
zone = "Asia/Shanghai"
effective_from = 2026-08-01
effective_to = 2036-01-01
owner_position = "net"
split_basis = "tax_inclusive"
capital_cost = "900000"
pool_streams = ["arbitrage", "demand_charge", "interaction"]
pass_through_costs = []
[cash_holder]
arbitrage = "host-s1"
demand_charge = "host-s1"
interaction = "host-s1"
{parties}
[[clauses]]
type = "loss_split"
shares = {{ {split} }}
carry_forward = false
[[clauses]]
type = "remainder_split"
shares = {{ {split} }}
""".encode()
    )


@pytest.fixture(scope="module")
def api(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    """A settled book; tests of this module share it and only add to it."""
    bench = Bench(nats_server, migrated)
    founded_and_filled(bench)
    made = Api(bench)
    try:
        done = made.post("/v1/settlements", {"month": MONTH}, role="finance")
        assert done.status_code == 201, done.text
        made.wait()
        yield made
    finally:
        made.close()
        bench.close()


def founded_and_filled(bench: Bench) -> None:
    for party in INVESTORS:
        bench.door.execute(sample.register_party(party), command_id=party, actor="ada")
    filled(bench, many_parties())


def statement_bundle(api: Api, party: str, **parameters: object) -> bytes:
    """As finance asks for it."""
    answer = api.get(f"/v1/statements/many/{MONTH}/{party}/bundle", "finance", **parameters)
    assert answer.status_code == 200, answer.text
    return answer.content


def whole_book(api: Api, up_to: int | None = None) -> bytes:
    api.wait()
    api.published.sign()
    return b"".join(book_bundle(api.bench.database, api.published, up_to))


def verified(api: Api, bundle: bytes) -> str:
    key = verifier().key_of(str(api.published.key()), "key")
    return "\n".join(verifier().checked(io.BytesIO(bundle), key, None))


def result_of(api: Api) -> tuple[int, Any]:
    with api.bench.database.reading(api.bench.book) as connection:
        (run, *_) = statements.runs(connection, 1 << 60)
        return run.sequence, statements.result(connection, "many", MONTH, 1)


def test_each_party_proves_its_own_statement(api: Api) -> None:
    _, result = result_of(api)
    for party in PARTIES:
        told = verified(api, statement_bundle(api, party))
        totals = (result.entitlement[party], result.held[party], result.payable[party])
        assert told.splitlines()[-1].split() == [party, *map(str, totals)]


def test_a_bundle_stays_the_same_bytes_and_its_run_is_committed_to_once(api: Api) -> None:
    first = statement_bundle(api, "investor-a")
    whole_book(api)
    assert statement_bundle(api, "investor-a") == first
    assert statement_bundle(api, "investor-a", run=1) == first
    committed = api.bench.query("SELECT count(*) FROM ledger.envelope WHERE aggregate LIKE 'disclosure%%'")
    assert committed == [(2,)]


def test_the_auditor_computes_every_document_again(api: Api) -> None:
    """From the run's event and the secret alone, to the same root; and our own code gives the same."""
    statement_bundle(api, "host-s1")
    told = verified(api, whole_book(api))
    assert f"{len(PARTIES):>12,}  parties' documents under their commitments" in told
    sequence, _ = result_of(api)
    found = disclosing.disclosed(api.bench.door, api.bench.database, sequence)
    (secret,) = secrets_of(api)
    run = disclosing.recorded_run(api.bench.database, api.bench.book, sequence)
    assert Commitment.to(run, sequence, secret).root.hex() == found.committed.root


def test_a_book_compressed_is_the_same_book(api: Api) -> None:
    plain = whole_book(api)
    answer = api.get("/v1/bundles/book", "auditor")
    assert answer.headers["content-type"] == "application/gzip"
    assert f'filename="{api.bench.book}.jsonl.gz"' in answer.headers["content-disposition"]
    assert gzip.decompress(answer.content) == plain
    assert b"".join(gzipped(iter([plain]))) == answer.content


def test_a_book_up_to_a_position_is_its_beginning(api: Api) -> None:
    answer = api.get("/v1/bundles/book", "auditor", as_of="20")
    part = gzip.decompress(answer.content)
    assert "          20  envelopes" in verified(api, part)
    events = part.splitlines()[2:]
    assert len(events) == 40
    assert whole_book(api).splitlines()[2:42] == events
    problem(api.get("/v1/bundles/book", "auditor", as_of="0"), 422, "empty_bundle", "as_of")
    problem(api.get("/v1/bundles/book", "auditor", as_of="99999"), 422, "as_of")


# ------------------------------------------------------------------ who may have what


def test_a_partner_has_its_own_bundle_and_no_other(api: Api) -> None:
    secret = api.grant("partner", "investor-b", "partner-b")

    def ask(path: str) -> Any:
        return api.client.get(path, headers={"Authorization": f"Bearer {secret}"})

    own = ask(f"/v1/statements/many/{MONTH}/investor-b/bundle")
    assert own.status_code == 200
    assert own.content == statement_bundle(api, "investor-b")
    for other in set(PARTIES) - {"investor-b"}:
        found = ask(f"/v1/statements/many/{MONTH}/{other}/bundle")
        assert found.status_code == 404
        assert found.json()["code"] == "unknown_statement"
    for path in ("/v1/bundles/book", "/v1/events?aggregate=disclosure_secret.many_2026-08", "/v1/events/1"):
        assert ask(path).status_code == 403, path


def test_nothing_answered_to_a_partner_rests_on_a_secret(api: Api) -> None:
    """Every address that a partner may read: neither the secret nor what only the secret gives."""
    statement_bundle(api, "investor-c")
    (secret,) = secrets_of(api)
    key = api.grant("partner", "investor-c", "partner-c")
    _, result = result_of(api)
    number = next(line.number for line in result.lines if line.party == "investor-c")
    addresses = [
        "/v1/statements", f"/v1/statement-tables/{MONTH}/lines", f"/v1/reports/{MONTH}",
        "/v1/receivables", "/v1/netting", "/v1/invoices", "/v1/log/checkpoint",
        *(f"/v1/statements/many/{MONTH}/investor-c{tail}" for tail in (
            "", "/amounts/entitlement/explain", "/document", "/bundle", f"/lines/{number}/explain",
        )),
    ]  # fmt: skip
    for address in addresses:
        answer = api.client.get(address, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200 or "not reviewed" in answer.text or "was reviewed yet" in answer.text
        for form in (secret, secret.hex().encode(), base64.b64encode(secret)):
            assert form not in answer.content, address
        assert b"disclosure_secret" not in answer.content, address


def test_postgresql_shows_no_event_to_a_partner_nor_to_an_analyst(api: Api) -> None:
    statement_bundle(api, "host-s1")
    database, book = api.bench.database, api.bench.book
    for table in ("envelope", "registered", "settlement", "tree_tile"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            database.reading(book, role="wattledger_partner", party="host-s1") as connection,
        ):
            connection.execute(f"SELECT * FROM ledger.{table}")  # type: ignore[arg-type]
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        database.owning() as connection,
    ):
        connection.execute("SET LOCAL ROLE wattledger_analyst")
        connection.execute("SELECT * FROM ledger.envelope")
    kinds = api.bench.query("SELECT DISTINCT kind FROM ledger.registered")
    assert not [kind for (kind,) in kinds if "disclos" in str(kind)]


def secrets_of(api: Api) -> list[bytes]:
    rows = api.bench.query(
        "SELECT payload FROM ledger.envelope WHERE aggregate LIKE 'disclosure_secret%%' ORDER BY sequence"
    )
    states = [json.loads(bytes(payload).split(b"\n")[1]) for (payload,) in rows]  # type: ignore[arg-type]
    return [bytes.fromhex(event["secret"]) for state in states for event in state["events"]]


def test_a_book_holds_no_keys_secret(api: Api) -> None:
    api.secret("partner")
    content = whole_book(api)
    assert api.secrets
    assert not [role for role, secret in api.secrets.items() if secret.encode() in content]


# ------------------------------------------------------------------ the crawl


class Foreign(NamedTuple):
    """What belongs to one party, as bytes to look for."""

    words: tuple[bytes, ...]
    hidden: tuple[bytes, ...]


def haystack(bundle: bytes) -> bytes:
    """The bundle, with all that is base64 or hex in it decoded beside it, whatever is in that too."""
    found, waiting = [bundle], [bundle]
    while waiting:
        text = waiting.pop()
        for token in re.findall(rb"[A-Za-z0-9+/=]{16,}", text):
            for decode in (base64.b64decode, bytes.fromhex):
                try:
                    made = decode(token.decode())  # type: ignore[operator]
                except (ValueError, binascii.Error):
                    continue
                found.append(made)
                waiting.append(made)
    return b"\n".join(found)


def foreign(api: Api, party: str) -> Foreign:
    """Of a party: its id, its name and amounts as they are written anywhere; salts and secrets."""
    _, result = result_of(api)
    digits = MINOR_DIGITS[result.currency]
    minors = {abs(one[party].minor) for one in (result.entitlement, result.payable)}
    minors |= {abs(line.amount.minor) for line in result.lines if line.party == party}
    exacts = {line.exact.lstrip("-") for line in result.lines if line.party == party}
    shares = {one.share for one in result.percentages if one.party == party}
    words = {
        party,
        party.title(),
        party.encode().hex(),
        base64.b64encode(party.encode()).decode().rstrip("="),
    }
    numbers = {str(minor) for minor in minors} | {decimal_text(minor, digits) for minor in minors} | exacts
    (secret,) = secrets_of(api)
    sequence, _ = result_of(api)
    run = disclosing.recorded_run(api.bench.database, api.bench.book, sequence)
    made = Commitment.to(run, sequence, secret)
    hidden = (secret, made.salts[party], made.documents[party][:200])
    forms = [form for one in hidden for form in (one, one.hex().encode(), base64.b64encode(one))]
    return Foreign(tuple(one.encode() for one in (*words, *numbers, *shares) if len(one) > 3), tuple(forms))


def test_a_crawl_of_all_bundles_finds_nothing_foreign(api: Api) -> None:
    belongs = {party: foreign(api, party) for party in PARTIES}
    own_numbers = {party: set(found.words) for party, found in belongs.items()}
    hay = {party: haystack(statement_bundle(api, party)) for party in PARTIES}
    for reader, other in itertools.permutations(PARTIES, 2):
        for word in set(belongs[other].words) - own_numbers[reader]:
            pattern = rb"(?<![0-9A-Za-z.])" + re.escape(word) + rb"(?![0-9A-Za-z])"
            assert not re.search(pattern, hay[reader]), (reader, other, word)
        for secret in belongs[other].hidden:
            assert secret not in hay[reader], (reader, other)
    for party in PARTIES:
        found = [word for word in belongs[party].words if word in hay[party]]
        assert len(found) >= 4, "what is a party's own is found in its bundle"
        assert belongs[party].hidden[3] in hay[party], "its salt too, decoded"


def test_two_documents_share_no_amount_that_is_not_of_both(api: Api) -> None:
    _, result = result_of(api)
    documents = {party: json.loads(statement_bundle(api, party).splitlines()[-1]) for party in PARTIES}

    def amounts(found: Any) -> set[int]:
        if isinstance(found, dict):
            if found.keys() == {"minor", "currency"}:
                return {abs(found["minor"])}
            return set().union(*map(amounts, found.values()))
        return set().union(*map(amounts, found)) if isinstance(found, list) else set()

    for one, other in itertools.combinations(PARTIES, 2):
        shared = amounts(documents[one]) & amounts(documents[other])
        assert shared <= {0}, (one, other, shared)
    assert result.entitlement["host-s1"].minor in amounts(documents["host-s1"])


# ------------------------------------------------------------------ races, and what must not be published


def test_processes_that_commit_at_once_end_with_one_commitment(bench: Bench) -> None:
    """Ten front doors of their own, each of which asks as if it were alone."""
    founded_and_filled(bench)
    settle(bench)
    bench.project()
    sequence = int(str(bench.query("SELECT sequence FROM ledger.settlement")[0][0]))
    roots: list[str] = []

    def ask() -> None:
        client = bench.nats.app()
        log = Log(client, bench.book)
        recorder = JetStreamApplicationRecorder(log)
        door = FrontDoor(recorder, bench.clock, lambda: continuity.guard(log, bench.database))
        roots.append(disclosing.disclosed(door, bench.database, sequence).committed.root)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(roots) == 6
    assert len(set(roots)) == 1


def test_what_records_no_run_is_not_committed_to(api: Api) -> None:
    with pytest.raises(Refused, match="records no run"):
        disclosing.disclosed(api.bench.door, api.bench.database, 1)


def test_an_archive_that_was_changed_is_not_exported(bench: Bench, nats_server: NatsServer) -> None:
    append_parties(bench, range(5))
    bench.project()
    published = published_log(bench, nats_server.folder)
    published.sign()
    assert b"".join(book_bundle(bench.database, published)).count(b"\n") == 12
    with bench.database.owning() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("UPDATE ledger.envelope SET payload = payload || ' ' WHERE sequence = 3")
    with pytest.raises(Discontinuity, match="not those of the tree"):
        list(book_bundle(bench.database, published))
