"""Works a market scenario's folder out with the oracle and writes ``expected.toml``.

    python -m tests.scenarios.market_folder                 write expected.toml of every market scenario
    python -m tests.scenarios.market_folder --check         only compare, say what differs, write nothing
    python -m tests.scenarios.market_folder [--check] NAME  one scenario

Like ``oracle.py`` it must not import the product.
"""

import sys
from fractions import Fraction
from pathlib import Path

from tests.scenarios import oracle
from tests.scenarios.market_given import Given
from tests.scenarios.market_month import settle

MARKETS = Path(__file__).resolve().parent / "markets"


# ------------------------------------------------------------------ the contract (2.3)


def split_of(given, found):
    """Each party's entitlement, what it holds and what is due, in fen (2.3)."""
    terms = given.told["contract"]
    holders = terms["cash_holder"]
    pool = sum(found.pooled_fen(stream) for stream in holders)
    if terms["model"] == "split":
        entitled = oracle.split_fen(pool, {p: Fraction(str(w)) for p, w in terms["share"].items()})
    else:
        text = {key: str(value) for key, value in terms.items()}
        result = oracle.agency(text, pool, None, {})
        entitled = {party: result.entitlement(party) for party in (terms["user"], terms["operator"])}
    for party in sorted(entitled):
        held = sum(found.pooled_fen(stream) for stream, holder in holders.items() if holder == party)
        yield party, entitled[party], held, entitled[party] - held


# ------------------------------------------------------------------ one scenario, and writing expected.toml


def exact_text(value):
    """Decimal text where there is one, else a fraction."""
    if value is None:
        return ""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return oracle.exact(value) if rest == 1 else f"{value.numerator}/{value.denominator}"


def as_text(folder):
    given = Given(folder)
    found = settle(given)
    out = ["# Worked out by market_folder.py from given/; why.md has the figures by hand.\n"]
    for stream, what, exact, fen in found.items:
        out.append(f'[[item]]\nstream = "{stream}"\nwhat = "{what}"')
        out.append(f'exact = "{exact_text(exact)}"\namount = "{oracle.money(fen)}"\n')
    for claim, date, start, end, asked, got in found.refused:
        clocks = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (start, end)]
        out.append(
            f'[[refused]]\nclaim = "{claim}"\ndate = "{date}"\nfrom = "{clocks[0]}"\nuntil = "{clocks[1]}"'
        )
        out.append(f'asked_w = {asked}\ngranted_w = {got}\nagainst = "ancillary"\nrelation = "W"\n')
    if found.stored is not None and any(found.stored):
        sun, grid = map(exact_text, found.stored)
        out.append(f'[stored]\npv_wh = "{sun}"\ngrid_wh = "{grid}"\n')
    for party, entitled, held, due in split_of(given, found):
        out.append(f'[split.{party}]\nentitlement = "{oracle.money(entitled)}"')
        out.append(f'already_held = "{oracle.money(held)}"\npayable = "{oracle.money(due)}"\n')
    return "\n".join(out)


def write(folder):
    (folder / "expected.toml").write_text(as_text(folder), encoding="utf-8", newline="\n")
    return []


def check(folder):
    path = folder / "expected.toml"
    stored = path.read_text(encoding="utf-8") if path.exists() else ""
    return [] if stored == as_text(folder) else [f"{folder.name}/expected.toml differs"]


def main(arguments):
    names = [name for name in arguments if not name.startswith("--")]
    folders = sorted(path.parent for path in MARKETS.glob("*/given") if path.is_dir())
    if names:
        folders = [folder for folder in folders if folder.name in names]
    run = check if "--check" in arguments else write
    problems = [problem for folder in folders for problem in run(folder)]
    print("\n".join(problems) or f"{len(folders)} market scenarios, no problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
