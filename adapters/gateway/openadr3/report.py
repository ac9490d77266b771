"""Reports to a VTN: whether a call is followed, and energies of its intervals.

OpenADR 3 has no message to opt in or out. What comes nearest is the forecast of a resource's operating state
for the call's intervals: running curtailed or heightened is in, opted out is out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.payload import raw_number
from adapters.gateway.openadr3.response_call import CallInterval, ResponseCall
from adapters.gateway.openadr3.timing import ENDLESS, duration_text, instant_text
from ledger.refusal import Refused

Decision = Literal["reduce", "raise", "opt_out"]
EnergyType = Literal["USAGE", "DELTA_USAGE", "BASELINE"]
Quality = Literal["DIRECT_READ", "ESTIMATED", "SUMMED", "FORECAST"]

AGGREGATED: Final = "AGGREGATED_REPORT"
"""The resource name of several resources' sum."""

_STATES: Final[Mapping[Decision, str]] = {
    "reduce": "RUNNING_CURTAILED",
    "raise": "RUNNING_HEIGHTENED",
    "opt_out": "RUNNING_OPTED_OUT",
}
_WH_PER_KWH: Final = 1000


def opt_report(
    call: ResponseCall, client_name: str, resources: Sequence[str], decision: Decision
) -> wire.ReportRequest:
    """Whether each resource will follow the call: its forecast operating state in every interval.

    Raises:
        Refused: `report_resources` for none, or one twice.
    """
    state = msgspec.Raw(msgspec.json.encode(_STATES[decision]))
    payload = (wire.ValuesMap(type="OPERATING_STATE", values=(state,)),)
    intervals = tuple(_interval(interval, payload) for interval in call.intervals)
    return _report(
        call,
        client_name,
        f"opt-{call.event}",
        wire.PayloadDescriptor(payload_type="OPERATING_STATE", reading_type="FORECAST"),
        dict.fromkeys(_checked(resources), intervals),
    )


def energy_report(
    call: ResponseCall,
    client_name: str,
    energies_wh: Mapping[str, Sequence[int | None]],
    *,
    kind: EnergyType = "USAGE",
    quality: Quality = "DIRECT_READ",
) -> wire.ReportRequest:
    """Each resource's energy in each interval of the call, from whole Wh, in exact kWh.

    A value of None is not known: it is told as missing, never as zero. USAGE is consumption from 0;
    DELTA_USAGE is against the baseline, below zero where less was used.

    Raises:
        Refused: `report_resources`, `report_length` for another number of values than intervals,
            `report_usage` for consumption below zero.
    """
    resources: dict[str, tuple[wire.Interval, ...]] = {}
    for resource in _checked(tuple(energies_wh)):
        values = energies_wh[resource]
        if len(values) != len(call.intervals):
            wrong = f"{len(values)} values for {len(call.intervals)} intervals"
            raise Refused("report_length", wrong, place=resource)
        if kind == "USAGE" and any(value is not None and value < 0 for value in values):
            raise Refused("report_usage", "consumption is not below zero; tell DELTA_USAGE", place=resource)
        resources[resource] = tuple(
            _interval(interval, (_energy(kind, value),))
            for interval, value in zip(call.intervals, values, strict=True)
        )
    about = wire.PayloadDescriptor(payload_type=kind, reading_type=quality, units="KWH")
    return _report(call, client_name, f"{kind.lower().replace('_', '-')}-{call.event}", about, resources)


def _energy(kind: EnergyType, value: int | None) -> wire.ValuesMap:
    if value is None:
        return wire.ValuesMap(type="DATA_QUALITY", values=(msgspec.Raw(b'"MISSING"'),))
    return wire.ValuesMap(type=kind, values=(raw_number(Fraction(value, _WH_PER_KWH)),))


def _interval(interval: CallInterval, payloads: tuple[wire.ValuesMap, ...]) -> wire.Interval:
    """Under the call's own number of the interval, with its times."""
    length = ENDLESS if interval.end is None else duration_text(interval.end - interval.start)
    period = wire.IntervalPeriod(start=instant_text(interval.start), duration=length)
    return wire.Interval(id=interval.number, interval_period=period, payloads=payloads)


def _checked(resources: Sequence[str]) -> Sequence[str]:
    if not resources or len(set(resources)) != len(resources):
        raise Refused("report_resources", "name one or more resources, each once", place="resources")
    return resources


def _report(
    call: ResponseCall,
    client_name: str,
    name: str,
    about: wire.PayloadDescriptor,
    resources: Mapping[str, tuple[wire.Interval, ...]],
) -> wire.ReportRequest:
    return wire.ReportRequest(
        program_id=call.programme,
        event_id=call.event,
        client_name=client_name,
        report_name=name,
        payload_descriptors=(about,),
        resources=tuple(
            wire.ReportResource(resource_name=resource, intervals=intervals)
            for resource, intervals in resources.items()
        ),
    )
