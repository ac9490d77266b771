"""The commands of trading units, with the files of examples/market_facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.test_allocating import projecting, two_sites

EXAMPLES = Path(__file__).parents[3] / "examples/market_facts"

STATEMENT = """\
unit vpp-east (ZJ-VPP-0017), 2026-08

dr-vpp-east-2026-08-03: demand response, document statement 2026/08-17, run 2026-08-call; \
allocation 1, event {event}
  S1                                            400.00  payment 400.00
    delivered 200000 of 200000 Wh committed; baseline zero
  S2                                            200.00  payment 200.00
    delivered 100000 of 100000 Wh committed; baseline zero
  kept by operator, the operator                  0.00
  operator's rounding                             0.01
  the market's statement                        600.01  CNY
  payment: by min(d, 1.2 q)
"""


def test_the_examples_from_registration_to_the_units_statement(
    bench: Bench, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert str(two_sites(bench).start) == "2026-08-03 04:00:00+00:00", "the example's hour"
    with projecting(bench):
        run = terminal_of(bench, capsys)
        unit, facts = EXAMPLES / "trading_unit.json", EXAMPLES / "unit_demand_response.json"
        assert run("register", "trading-unit", str(unit)).startswith("trading unit vpp-east: event ")
        assert run("register", "trading-unit", str(unit)).endswith(", in force already\n")
        assert run("allocate", "2026-08") == "no market told anything about a trading unit in 2026-08\n"
        assert run("register", "market-facts", str(facts)) == "1 fact recorded, 0 known already\n"
        waiting = run("unit-statement", "vpp-east", "2026-08")
        assert waiting.endswith("not allocated yet; wattledger allocate 2026-08\n")
        done = run("allocate", "2026-08", "--unit", "vpp-east")
        head, _, event = done.strip().rpartition(" ")
        assert head.endswith("version 1 recorded   statement 600.01 CNY, operator 0.01  event")
        again = run("allocate", "2026-08")
        assert again.strip() == f"{head.replace('recorded ', 'unchanged')} {event}"
        assert run("unit-statement", "vpp-east", "2026-08") == STATEMENT.format(event=event)
        (line,) = json.loads(run("unit-statement", "vpp-east", "2026-08", "--format", "json"))["lines"]
        assert line["allocation"]["statement"]["minor"] == 60001

        for text, code in (("{", "json"), ("{}", "field_missing"), ('{"x": 1}', "field_unknown")):
            wrong = tmp_path / "wrong.json"
            wrong.write_text(text, encoding="utf-8")
            with pytest.raises(Refused) as caught:
                run("register", "trading-unit", str(wrong))
            assert caught.value.code == code
        body = json.loads(unit.read_text(encoding="utf-8"))
        for number, allowed, other in (
            (0, "delivered_cap", "when_all_zero"),
            (1, "when_all_zero", "delivered_cap"),
        ):
            document = body["document"] | {"terms": [dict(one) for one in body["document"]["terms"]]}
            document["terms"][number]["rounding_max"] = "0.05"
            wrong.write_text(json.dumps(body | {"document": document}), encoding="utf-8")
            with pytest.raises(Refused) as caught:
                run("register", "trading-unit", str(wrong))
            assert caught.value.place == f"document.terms[{number}].rounding_max"
            assert allowed in str(caught.value)
            assert other not in str(caught.value), "a field of another type of terms"
