"""A portfolio whose site is on other clocks than its tariff is refused, with the file and the field."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapters import portfolio_file
from adapters.approving import record
from ledger.published_tariff import PublishTariff
from ledger.refusal import Refused
from ledger.tariff_file import parse_tariff
from tests.adapters.cli.program import wattledger
from tests.adapters.conftest import Bench

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples/demo/portfolio.toml"
TARIFF = ROOT / "examples/tariffs/shanghai_single_part_1-10kv.toml"


def test_the_field_is_named(bench: Bench) -> None:
    tariff = parse_tariff(TARIFF.read_text(), name=TARIFF.name)
    record(bench.door, PublishTariff(tariff), actor="ada")
    (first, *_) = portfolio_file.parse(DEMO.read_text()).sites
    here = msgspec.structs.replace(first, tariff=tariff.id)
    account = msgspec.structs.replace(here.account, zone="Europe/Berlin")
    there = msgspec.structs.replace(here, id="B1", zone="Europe/Berlin", account=account)
    portfolio = msgspec.structs.replace(portfolio_file.parse(DEMO.read_text()), sites=(here, there))
    with pytest.raises(Refused, match=r"site B1 is in Europe/Berlin, tariff .* in Asia/Shanghai") as refused:
        portfolio_file.register(bench.door, portfolio, actor="ada")
    assert (refused.value.code, refused.value.place) == ("zone", "sites[1].tariff")


def test_the_file_is_named(tmp_path: Path) -> None:
    state, file = tmp_path / "var", tmp_path / "more.toml"
    assert wattledger(state, "demo", "--exit", "--part", "found").returncode == 0
    file.write_text(DEMO.read_text().replace('"Asia/Shanghai"', '"Europe/Berlin"'))
    done = wattledger(state, "register", "portfolio", str(file))
    assert done.returncode != 0
    assert str(file) in done.stderr.replace("\n", "")
