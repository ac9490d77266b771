"""The driven day as a table: a line a site, then how it was commanded and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.demo.day_figures import DayFigures, Energy, ResponseFigures, total
from adapters.demo.driven_book import DrivenBook
from adapters.documents.readable import readable_sum
from adapters.settling import Settled
from ledger.quantity import decimal_text


def show(book: DrivenBook, figures: DayFigures, settled: Settled) -> None:
    """kWh charged and discharged: as planned, as commanded, by the meters, in the ledger, as settled."""
    say = book.console.print
    heads = ("planned", "commanded", "meters", "ledger", "settled")
    say("  kWh in/out" + "".join(f"{head:>20}" for head in heads))
    for one in figures.sites:
        columns = (one.planned, one.commanded, one.registers, one.ledger, one.settled)
        say(f"  {one.site:<10}" + "".join(f"{_kwh(energy):>20}" for energy in columns))
    sums = [total(column) for column in zip(*(one[1:] for one in figures.sites), strict=True)]
    say(f"  {'all':<10}" + "".join(f"{_kwh(energy):>20}" for energy in sums))
    result, response = settled.result, figures.response
    recorded = "recorded" if settled.recorded else "unchanged"
    say(
        f"  {result.contract} {result.month} through {result.through}: run {settled.run}, {settled.kind},"
        f" {recorded}, pool {readable_sum(result.pool)}\n"
        f"  response    {decimal_text(response.awarded, 3)} kWh awarded,"
        f" {decimal_text(response.settled, 3)} kWh given and paid: {response.amount}{_not_paid(response)}\n"
        f"  meters, ledger and settlement agree to the Wh;"
        f" {figures.missing} quarter-hours without a reading\n"
        f"  not given   {_short(figures.short_wh)}: told to discharge, and not metered\n"
        f"  commands    {_counts(figures.statuses)}\n"
        f"  latency     write to readback p50 {_at(figures.latencies_ms, 50)} ms,"
        f" p99 {_at(figures.latencies_ms, 99)} ms, of {len(figures.latencies_ms)}\n"
        f"  telemetry   {figures.samples:,} samples; {_counts(figures.gaps)} (unseen, stuck: the lapses)\n"
        f"  alarms      {_counts(figures.alarms)}"
    )


def _not_paid(response: ResponseFigures) -> str:
    return "".join(
        f"; {site} gave {decimal_text(one.given, 3)} of {decimal_text(one.share, 3)} kWh,"
        f" of which {decimal_text(one.counts, 3)} count"
        for site, one in response.sites.items()
        if one.counts != one.given
    )


def _kwh(energy: Energy) -> str:
    return f"{decimal_text(energy.charged, 3)}/{decimal_text(energy.discharged, 3)}"


def _short(short_wh: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {decimal_text(wh, 3)}" for name, wh in sorted(short_wh.items())) + " kWh"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _at(ordered: Sequence[int], percent: int) -> str:
    return f"{ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]}" if ordered else "-"
