"""Contracts as TOML: the examples, and an error for everything else that says where it is."""

from __future__ import annotations

import re
import tomllib
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import contract_file
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.toml_lines import line_of, path_text, toml_lines
from ledger.waterfall import MonthFacts, StreamItem, Throughput, distribute

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
FILES = sorted(EXAMPLES.glob("*.toml"))
S1 = (EXAMPLES / "eaas-s1.toml").read_text(encoding="utf-8")
S2 = (EXAMPLES / "co-investment-s2.toml").read_text(encoding="utf-8")
S3 = (EXAMPLES / "agency-s3.toml").read_text(encoding="utf-8")
S4 = (EXAMPLES / "eaas-s4.toml").read_text(encoding="utf-8")
TIERED = (EXAMPLES / "tiered-share-s1.toml").read_text(encoding="utf-8")
FLOORED = (EXAMPLES / "floored-split-s2.toml").read_text(encoding="utf-8")
CARVED = (EXAMPLES / "agency-carve-outs-s3.toml").read_text(encoding="utf-8")
PRICED = (EXAMPLES / "discharged-price-s4.toml").read_text(encoding="utf-8")
TEXTS = (S1, S2, S3, S4, TIERED, FLOORED, CARVED, PRICED)


def line_with(text: str, start: str, occurrence: int = 1) -> int:
    """The number of the line that begins with `start`."""
    numbers = [n for n, line in enumerate(text.splitlines(), 1) if line.startswith(start)]
    return numbers[occurrence - 1]


def refusal(text: str | bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        contract_file.parse(text)
    return refused.value


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


# The examples


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_example_is_a_contract_that_can_be_settled(file: Path) -> None:
    terms = contract_file.parse(file.read_bytes())
    assert (terms.id, terms.currency, terms.zone) == (file.stem, "CNY", "Asia/Shanghai")
    items = [
        StreamItem(name, Money.parse("20000.00", "CNY"), terms.holder_of(name, terms.sites[0]))
        for name in (*terms.pool_streams, *terms.pass_through_costs)
    ]
    throughput = Throughput(30_000_000, 27_600_000, charge_cost=Fraction("9000.123"))
    facts = MonthFacts(
        capital={"investor": "1000000", "operator": "800000"} if "floored" in terms.id else None
    )
    settled = distribute(terms, Month(2026, 1), items, throughput, None, facts)
    assert settled.warnings == ()
    assert sum(money.minor for money in settled.entitlement.values()) == settled.pool.minor


def test_the_examples_cover_each_model_and_site() -> None:
    parsed = [contract_file.parse(file.read_bytes()) for file in FILES]
    assert {terms.model for terms in parsed} == {
        "energy_storage_as_a_service",
        "co_investment",
        "agency_operation",
    }
    assert {site for terms in parsed for site in terms.sites} == {"S1", "S2", "S3", "S4"}


@pytest.mark.parametrize("clauses_first", [True, False])
def test_a_preset_is_the_same_as_its_clauses_written_out(clauses_first: bool) -> None:
    """The example of S1 is written out; the same terms as a preset are the same contract."""
    head = S1.split("# The pool flows")[0]
    parameters = """
    [parameters]
    fee_first = true
    fee_payer = "pool"
    base_rate = 200
    base_unit = "kWh.year"
    base_quantity = 500
    base_quantity_basis = "nameplate"
    base_proration = "days"
    base_payee = "equipment-owner"
    service_rate = 0.1
    service_basis = "discharge"
    service_payee = "operator"
    shares = { host-s1 = "70%", operator = "30%" }
    loss_shares = { host-s1 = "70%", operator = "30%" }
    loss_carry_forward = false
    """
    by_preset = 'preset = "energy_storage_as_a_service"\n' + head + parameters
    if not clauses_first:
        by_preset = by_preset.replace('model = "energy', '# model = "energy')
    preset = contract_file.parse(by_preset)
    written = contract_file.parse(S1)
    assert without_text_of_numbers(preset) == without_text_of_numbers(written)


def without_text_of_numbers(terms: Contract) -> object:
    return terms.title, terms.model, terms.clauses, terms.parties, terms.cash_holder


def test_bare_numbers_are_exact() -> None:
    bare = contract_file.parse(edited(S1, 'rate = "0.1"', "rate = 0.1"))
    assert bare == contract_file.parse(S1)


# Errors that name line and field


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "line_start", "occurrence", "path"),
    [
        (S1, 'currency = "CNY"', "currency_code = 1", "field_unknown", "currency_code", 1, "currency_code"),
        (S1, "model = ", 'model = "eaas" #', "not_allowed", "model", 1, "model"),
        (S1, 'rate = "0.1"', 'rate = "0,1"', "amount", "rate", 2, "clauses[1].rate"),
        (S1, 'rate = "0.1"', "rate = true", "field_type", "rate", 2, "clauses[1].rate"),
        (S1, 'basis = "discharge"', 'basis = "out"', "not_allowed", "basis", 1, "clauses[1].basis"),
        (S1, 'unit = "kWh.year"', 'unnit = "x"', "field_unknown", "unnit", 1, "clauses[0].unnit"),
        (S1, 'quantity = "500"', "", "field_missing", "[[clauses]]", 1, "clauses[0].quantity"),
        (S1, 'type = "service_fee"', 'type = "fee"', "not_allowed", "type", 2, "clauses[1].type"),
        (S1, 'type = "service_fee"', "", "field_missing", "[[clauses]]", 2, "clauses[1].type"),
        (
            S1,
            'operator = "30%" }   # e',
            'operator = "31%" } #',
            "share_total",
            "shares",
            2,
            "clauses[3].shares",
        ),
        (
            S1,
            "carry_forward = false",
            "carry_forward = 0",
            "field_type",
            "carry_forward",
            1,
            "clauses[2].carry_forward",
        ),
        (
            S1,
            'penalty = "operator"',
            'penaltty = "operator"',
            "not_allowed",
            "penaltty",
            1,
            "cash_holder.penaltty",
        ),
        (S1, 'penalty = "operator"', "", "cash_holder", "[cash_holder]", 1, "cash_holder"),
        (
            S1,
            'penalty = "operator"',
            'penalty = "grid"',
            "party_unknown",
            "penalty",
            1,
            "cash_holder.penalty",
        ),
        (S1, 'role = "operator"', 'role = "boss"', "not_allowed", "role", 2, "parties[1].role"),
        (
            S1,
            "pool_total = false",
            "pool_totals = false",
            "field_unknown",
            "sees",
            3,
            "parties[2].sees.pool_totals",
        ),
        (S1, "2026-01-01", '"2026-01-01"', "field_type", "effective_from", 1, "effective_from"),
        (S1, "2026-01-01", "2026-01-01T00:00:00", "field_type", "effective_from", 1, "effective_from"),
        (S1, "2036-01-01", "2025-01-01", "effective", "effective_to", 1, "effective_to"),
        (
            S1,
            'pool_streams = ["arbitrage"',
            'pool_streams = ["arbitage"',
            "not_allowed",
            "pool_streams",
            1,
            "pool_streams[0]",
        ),
        (S1, 'sites = ["S1"]', 'sites = "S1"', "field_type", "sites", 1, "sites"),
        (S1, 'zone = "Asia/Shanghai"', 'zone = "Mars"', "zone", "zone", 1, "zone"),
        (
            S2,
            'host-s2 = "20%" }\ncarry',
            'host-s2 = "nan" }\ncarry',
            "portion",
            "shares",
            1,
            "clauses[0].shares.host-s2",
        ),
        (S2, "carry_forward = true", "", "field_missing", "[[clauses]]", 2, "clauses[1].carry_forward"),
        (S3, "reset_month = 1", "", "reset_month", "[parameters]", 1, "parameters"),
        (
            S3,
            "reset_month = 1",
            "reset_month = 1.5",
            "field_type",
            "reset_month",
            1,
            "parameters.reset_month",
        ),
        (
            S3,
            "reset_month = 1",
            "reset_month = true",
            "field_type",
            "reset_month",
            1,
            "parameters.reset_month",
        ),
        (S3, 'host = "host-s3"', 'host = "hots"', "party_unknown", "[parameters]", 1, "parameters"),
        (
            S3,
            'excess_share = "60%"',
            "excess_share = 60",
            "portion",
            "excess_share",
            1,
            "parameters.excess_share",
        ),
        (S3, 'preset = "agency_operation"', 'preset = "agency"', "not_allowed", "preset", 1, "preset"),
        (S3, "\n[parameters]", "\n[params]", "field_missing", "# Agency", 1, "parameters"),
        (S3, "preset = ", 'model = "co_investment"\npreset = ', "preset_model", "model", 1, "model"),
        (S3, 'preset = "agency_operation"', "", "field_missing", "# Agency", 1, "preset"),
        (S4, 'fee_payer = "host-s4"', 'fee_payer = "pool"', "fee_timing", "[parameters]", 1, "parameters"),
        (
            S4,
            'loss_shares = { host-s4 = "70%"',
            'loss_shares = { host-s4 = "7%"',
            "share_total",
            "loss_shares",
            1,
            "parameters.loss_shares",
        ),
        (
            S4,
            "\n[parameters]",
            "\nclauses = []\n[parameters]",
            "field_unknown",
            "clauses",
            1,
            "parties[2].clauses",
        ),
    ],
)
def test_an_error_names_its_line_and_field(
    text: str, old: str, new: str, code: str, line_start: str, occurrence: int, path: str
) -> None:
    wrong = edited(text, old, new)
    refused = refusal(wrong)
    line = line_with(wrong, line_start, occurrence)
    assert (refused.code, refused.place) == (code, f"line {line}, {path}")


@pytest.mark.parametrize(
    ("text", "old", "new", "code", "line_start", "occurrence", "path"),
    [
        (
            TIERED,
            'operator = "40%"',
            'operator = "41%"',
            "share_total",
            "shares",
            3,
            "clauses[1].brackets[1].shares",
        ),
        (
            TIERED,
            'up_to = "300000"',
            'up_to = "200000"',
            "brackets",
            "up_to",
            2,
            "clauses[1].brackets[1].up_to",
        ),
        (TIERED, "reset_month = 1", "", "reset_month", "[[clauses]]", 2, "clauses[1].reset_month"),
        (TIERED, 'operator = "general"', "", "vat_party", "[vat.taxpayers]", 1, "vat.taxpayers"),
        (
            TIERED,
            'tiered_share = "service"',
            'tiered_share = "heat"',
            "vat_category",
            "tiered_share",
            1,
            "vat.categories.tiered_share",
        ),
        (TIERED, 'rate = "6%"', "rate = 6", "portion", "rate", 2, "vat.rates[1].rate"),
        (
            FLOORED,
            'operator = "75%", host-s2',
            'investor = "75%", host-s2',
            "floor_parties",
            "funded_by",
            1,
            "clauses[2].funded_by",
        ),
        (
            FLOORED,
            "# on = 2029-05-16 ",
            "on = 2036-05-16 #",
            "evidence",
            "[[clauses]]",
            4,
            "clauses[3].evidence",
        ),
        (
            FLOORED,
            "since = 2029-01-01",
            "since = 2025-01-01",
            "termination_schedule",
            "  { since = 2025",
            1,
            "clauses[3].schedule[1].since",
        ),
        (
            CARVED,
            'carve_outs = ["force_majeure", "availability"]',
            'carve_outs = ["rain"]',
            "not_allowed",
            "carve_outs",
            1,
            "clauses[1].carve_outs[0]",
        ),
        (CARVED, "2026 = ", "2025 = ", "index_missing", "index", 1, "clauses[0].index"),
        (CARVED, "# annual_rise", "annual_rise", "indexation", "index", 1, "clauses[0].index"),
        (PRICED, 'price = "1.10"', "", "price", "[[clauses]]", 3, "clauses[2].price"),
        (
            PRICED,
            "make_up = true",
            "make_upp = true",
            "field_unknown",
            "make_upp",
            1,
            "clauses[2].minimum.make_upp",
        ),
    ],
)
def test_an_error_in_a_nested_table_names_its_line_and_field(
    text: str, old: str, new: str, code: str, line_start: str, occurrence: int, path: str
) -> None:
    wrong = edited(text, old, new)
    refused = refusal(wrong)
    line = line_with(wrong, line_start, occurrence)
    assert (refused.code, refused.place) == (code, f"line {line}, {path}")


def test_the_preset_of_an_agency_states_carve_outs() -> None:
    stated = contract_file.parse(
        edited(S3, "reset_month = 1", 'carve_outs = ["availability"]\nreset_month = 1')
    )
    (clause,) = stated.clauses
    (usual,) = contract_file.parse(S3).clauses
    assert clause == msgspec.structs.replace(usual, carve_outs=("availability",))


def test_a_preset_and_clauses_exclude_each_other() -> None:
    assert refusal('preset = "co_investment"\n\nclauses = []').place == "line 3, clauses"


def test_an_error_says_what_is_allowed_and_what_is_nearest() -> None:
    unknown = refusal(edited(S1, "split_basis", "split_base"))
    assert unknown.reason.startswith(
        "split_base is not allowed here; did you mean split_basis? allowed: id, "
    )
    value = refusal(edited(S1, '"discharge"', '"discharged"'))
    assert value.reason.endswith("did you mean discharge? allowed: discharge, charge, both")


# Texts that are no TOML


def test_a_file_from_another_encoding_is_refused() -> None:
    gb = 'id = "a"\ntitle = "储能"\n'.encode("gb18030")
    refused = refusal(gb)
    assert (refused.code, refused.place) == ("encoding", "line 2")
    assert "UTF-8" in refused.reason


@pytest.mark.parametrize("text", [S1.encode("utf-8-sig"), "\ufeff" + S1, S1.encode("utf-16")])
def test_a_byte_order_mark_is_refused(text: str | bytes) -> None:
    assert refusal(text).code == "byte_order_mark"


@pytest.mark.parametrize("text", ["", b"", " \n\t\n"])
def test_an_empty_file_is_refused(text: str | bytes) -> None:
    assert refusal(text).code == "empty_file"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("id = 'a'\ntitle =\n", "line 2"),
        ("id = 1\nid = 2\n", "line 2"),
        ("a = " + "[" * 5000, "line 1"),
        ("a = " + "1" * 5000, "line 1"),
        ("id = 'a'\x00", "line 1"),
    ],
)
def test_broken_toml_is_refused_with_its_line(text: str, place: str) -> None:
    refused = refusal(text)
    assert (refused.code, refused.place) == ("toml", place)


def test_a_file_beyond_all_measure_is_refused_unread() -> None:
    assert refusal("#" * 1_000_001).code == "file_size"


def test_windows_line_ends_count_as_one() -> None:
    assert contract_file.parse(S1.replace("\n", "\r\n")) == contract_file.parse(S1)
    wrong = edited(S1, 'unit = "kWh.year"', 'unit = "kWh"').replace("\n", "\r\n")
    assert refusal(wrong).place.startswith(f"line {line_with(wrong, 'unit')},")


@settings(max_examples=150)
@given(data=st.data())
def test_no_edit_of_a_file_gives_anything_but_a_contract_or_a_refusal(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    lines = text.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    key = lines[index].partition("=")[0]
    new = data.draw(
        st.sampled_from(["", f"{key}= []", f"{key}= {{}}", f"{key}= 1", f'{key}= ""', f"{key}= nan", "[[x]]"])
    )
    lines[index] = new
    try:
        contract_file.parse("\n".join(lines))
    except Refused as refused:
        assert re.match(r"line \d+", refused.place)


# Lines


TRICKY = '''
# [not.a.table]
a.b = 1 # x = 2
"quoted.key" = "# no [comment]"
long = """
x = 1
[[clauses]]
""" # after
literal = \'\'\'
[t]
y = 'q'\'\'\'
array = [
  { k = 1, "l m" = [1,
     2] }, # comment ] }
  [ "]", '}' ],
]
at = 2026-01-01 10:00:00
[t.u]
z = "\\"]"
[[t.v]]
[t.v.w]
deep = { x = { y = 1 } }
[[t.v]]
[[t.v.n]]
one = 1
[[t.v.n]]
two = 2
'''


def test_lines_of_everything_that_toml_can_write() -> None:
    lines = {path_text(path): line for path, line in toml_lines(TRICKY).items()}
    assert lines == {
        "a": 3,
        "a.b": 3,
        "quoted.key": 4,
        "long": 5,
        "literal": 9,
        "array": 12,
        "array[0]": 13,
        "array[0].k": 13,
        "array[0].l m": 13,
        "array[0].l m[0]": 13,
        "array[0].l m[1]": 14,
        "array[1]": 15,
        "array[1][0]": 15,
        "array[1][1]": 15,
        "at": 17,
        "t.u": 18,
        "t.u.z": 19,
        "t.v[0]": 20,
        "t.v[0].w": 21,
        "t.v[0].w.deep": 22,
        "t.v[0].w.deep.x": 22,
        "t.v[0].w.deep.x.y": 22,
        "t.v[1]": 23,
        "t.v[1].n[0]": 24,
        "t.v[1].n[0].one": 25,
        "t.v[1].n[1]": 26,
        "t.v[1].n[1].two": 27,
    }


def test_every_leaf_of_the_tree_has_a_line() -> None:
    for text in (TRICKY, *TEXTS):
        lines = toml_lines(text)
        for path in leaves(tomllib.loads(text)):
            assert path in lines
    assert line_of(("t", "nothing"), toml_lines(TRICKY)) == 1
    assert line_of(("t", "u", "nothing"), toml_lines(TRICKY)) == 18


def leaves(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


# The schema


def test_the_schema_describes_the_files_that_parse() -> None:
    schema = contract_file.json_schema()
    definitions = schema["$defs"]
    assert schema["anyOf"][0] == {"$ref": "#/$defs/Contract"}
    assert {name for name in definitions if name.startswith("Contract_")} == {
        "Contract_energy_storage_as_a_service",
        "Contract_co_investment",
        "Contract_agency_operation",
    }
    agency = definitions["Contract_agency_operation"]
    root = tomllib.loads(S3)
    assert set(root) - set(agency["required"]) == {
        "exclusivity", "run_calendar", "forbidden_streams", "statement_terms",
    }  # fmt: skip
    assert set(root) <= set(agency["properties"])
    written = definitions["Contract"]
    assert set(written["required"]) <= set(tomllib.loads(S1)) <= set(written["properties"])
    for reference in re.findall(r"#/\$defs/([^'\"]+)", str(schema)):
        assert reference in definitions


def test_no_file_states_that_a_contract_is_withdrawn() -> None:
    text = (EXAMPLES / "eaas-s1.toml").read_text(encoding="utf-8")
    with pytest.raises(Refused, match="line 1, withdrawn") as caught:
        contract_file.parse('withdrawn = "never signed"\n' + text)
    assert caught.value.code == "field_unknown"
    assert "withdrawn" not in str(contract_file.json_schema())
