"""Each step's judgement, on what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dispatch.commissioning.observed import Moved, Observed
from dispatch.commissioning.step_plan import StepPlan
from dispatch.commissioning.step_result import NONE, StepResult, StepVerdict, failed, not_run
from dispatch.control.interlock import TELEMETRY_MS_MAX

TO_ITS_ANSWER: Final = "to its answer"
"""How the note of a latency begins that says nothing of the effect on the power."""

SWAPPED: Final = "swapped words?"
_WORD: Final = 1 << 16
_WORDS_MAX: Final = _WORD * _WORD - 1


def judge_telemetry(seen: Sequence[Observed], plan: StepPlan) -> StepResult:
    """Whether the device tells its power, setpoint and state of charge, and has room for the test."""
    if plan.told_ms > TELEMETRY_MS_MAX:
        often = f"it tells its power each {plan.told_ms} ms, and nothing raises a device"
        return failed("telemetry", f"{often} on a power that is older than {TELEMETRY_MS_MAX} ms")
    last = seen[-1]
    lost = next((one.lost for one in seen if one.lost), "")
    if lost:
        return failed("telemetry", lost)
    missing = [
        name
        for name, value in (
            ("power", last.power_w),
            ("setpoint", last.setpoint_w),
            ("state of charge", last.soc),
        )
        if value is None
    ]
    if missing:
        turned = f"; {SWAPPED}: {', '.join(last.swapped)}" if last.swapped else ""
        return failed("telemetry", f"no {', '.join(missing)} that can be believed{turned}")
    assert last.soc is not None
    if not plan.soc_min < last.soc < plan.soc_max:
        allowed = f"between {plan.soc_min} and {plan.soc_max}"
        return failed(
            "telemetry", f"the state of charge {last.soc} leaves no room; {allowed} thousandths of %"
        )
    assert last.power_w is not None
    still = abs(last.power_w - plan.safe_w) <= plan.allowed_w(0)
    verdict: StepVerdict = "passed" if still else "failed"
    note = "" if still else "it does not stand still: somebody else drives it"
    return StepResult(step="telemetry", verdict=verdict, read_w=last.power_w, unit="W", note=note)


def judge_clock(seen: Sequence[Observed], plan: StepPlan) -> StepResult:
    """How far the device's clock is ahead of ours; whole seconds are read, so the least of all is taken."""
    skews = [one.device_ms - one.at_ms for one in seen if one.device_ms is not None]
    if not skews:
        return failed("clock", "the clock has no value") if plan.clock else not_run("clock", NONE)
    skew = min(skews, key=abs)
    verdict: StepVerdict = "passed"
    if abs(skew) > plan.skew_flagged_ms:
        verdict = "flagged" if abs(skew) <= plan.skew_ms_max else "failed"
    swapped = verdict == "failed" and all(_turned(one, plan) for one in seen if one.device_ms is not None)
    return StepResult(
        step="clock",
        verdict=verdict,
        note=f"{SWAPPED}: the other way round it is right" if swapped else "",
        measured=skew,
        least=-plan.skew_ms_max,
        most=plan.skew_ms_max,
        unit="ms",
    )


def _turned(one: Observed, plan: StepPlan) -> bool:
    """Whether a clock of two registers would be right with its words the other way round."""
    assert one.device_ms is not None
    seconds = one.device_ms // 1000
    if not 0 <= seconds <= _WORDS_MAX:
        return False
    turned = seconds % _WORD << 16 | seconds >> 16
    return abs(1000 * turned - one.at_ms) <= plan.skew_ms_max


def judge_heartbeat(seen: Sequence[Observed], plan: StepPlan) -> StepResult:
    """Whether the device's own counter goes on."""
    beats = [one.beat for one in seen if one.beat is not None]
    if not plan.counter:
        return not_run("heartbeat", f"{NONE}: no counter of the device's own")
    if len(set(beats)) < 2:
        return failed("heartbeat", "the device's counter stands" if beats else "the counter has no value")
    return StepResult(step="heartbeat", verdict="passed")


def judge_latency(moved: Moved, plan: StepPlan) -> StepResult:
    """From the command to the first effect on the power; to its answer where messages come so seldom that no
    more is told of the effect."""
    moved_w = plan.allowed_w(0)
    measured, note = moved.effect_ms(moved_w), ""
    seldom = plan.told_ms > 0 and moved.still_ms(moved_w) <= plan.effect_ms_max
    if measured is not None and measured > plan.effect_ms_max and seldom:
        note = f"{TO_ITS_ANSWER}: messages {moved.apart_ms} ms apart showed its effect after {measured} ms"
        measured = moved.answered_ms - moved.written_ms
    base = StepResult(
        step="latency",
        verdict="failed",
        commanded_w=moved.commanded_w,
        read_w=moved.settled_w,
        metered_w=moved.metered_w,
        measured=measured,
        least=0,
        most=plan.effect_ms_max,
        unit="ms",
    )
    if measured is None:
        return _with(base, "failed", "the command had no effect on the power")
    return _with(base, "passed" if measured <= plan.effect_ms_max else "failed", note)


def judge_sign(moved: Sequence[Moved]) -> StepResult:
    """Whether power goes where it was commanded, by the device and by the meter; the first that does not, or
    the last."""
    result = failed("sign", "nothing was commanded")
    for one in moved:
        read, metered = one.settled_w, one.metered_w
        wanted = one.commanded_w - one.before_w > 0
        result = StepResult(
            step="sign",
            verdict="passed",
            commanded_w=one.commanded_w,
            read_w=read,
            metered_w=metered,
            unit="W",
        )
        if read is None:
            return _with(result, "failed", "no power was read")
        right = (read - one.before_w > 0) == wanted
        meter_right = metered is None or (metered > 0) == wanted
        if right and meter_right:
            continue
        if metered is None:
            note = "the power goes the other way: its reading or the setpoint has the other sign"
        elif right:
            note = "the meter goes the other way: it is turned, or the device reads what it was told"
        elif meter_right:
            note = "the meter goes the right way: the power's reading has the other sign"
        else:
            note = "device and meter go the other way: the setpoint has the other sign"
        return _with(result, "failed", note)
    return result


def judge_scale(moved: Sequence[Moved], plan: StepPlan) -> StepResult:
    """Whether what came is what was commanded, within the tolerance; the worst of all steps is told."""
    results = [_scaled("scale", one, plan) for one in moved]
    return next((one for one in results if one.verdict == "failed"), results[-1])


def judge_capability(moved: Sequence[Moved], plan: StepPlan) -> StepResult:
    """Whether the full power is there both ways."""
    results = [_scaled("capability", one, plan) for one in moved]
    return next((one for one in results if one.verdict == "failed"), results[0])


def judge_ramp(moved: Moved, plan: StepPlan) -> StepResult:
    """The measured ramp against the profile's. One that is over within three samples is only bounded; the
    samples of a device that tells by itself are its messages."""
    measured = moved.ramp_w_per_s()
    allowed = plan.ramp_w_per_s * plan.ramp_permille // 1000
    least, most = plan.ramp_w_per_s - allowed, plan.ramp_w_per_s + allowed
    result = StepResult(
        step="ramp",
        verdict="passed",
        commanded_w=moved.commanded_w,
        read_w=moved.settled_w,
        metered_w=moved.metered_w,
        measured=measured,
        least=least,
        most=most,
        unit="W/s",
    )
    sample_ms = max(plan.sample_ms, moved.apart_ms if plan.told_ms else 0)
    told = f"by messages {moved.apart_ms} ms apart" if plan.told_ms else ""
    short = plan.ramp_ms(moved.commanded_w - moved.before_w) <= 3 * sample_ms
    if measured is None:
        return _with(result, "failed", _joined("no ramp could be measured", told))
    if short:
        # Within a sample or two nothing but the slowest possible can be told.
        short_note = "too short a ramp for the samples: only its effect was seen"
        return _with(result, "flagged", _joined(short_note, told))
    if measured < least:
        return _with(result, "failed", _joined("slower than the profile says", told))
    if measured > most:
        return _with(result, "failed", _joined("faster than the profile says", told))
    return _with(result, "passed", told)


def judge_safe(
    result: StepResult, gone_ms: int | None, *, least_ms: int, most_ms: int, early: StepVerdict
) -> StepResult:
    """Whether the device was in its safe state in time: `gone_ms` after what it waited from; None: never."""
    told = StepResult(
        step=result.step,
        verdict="passed",
        commanded_w=result.commanded_w,
        read_w=result.read_w,
        metered_w=result.metered_w,
        measured=gone_ms,
        least=least_ms,
        most=most_ms,
        unit="ms",
    )
    if gone_ms is None or gone_ms > most_ms:
        return _with(told, "failed", "it went on as it was told")
    return _with(told, early, "earlier than the profile says") if gone_ms < least_ms else told


def _scaled(step: str, one: Moved, plan: StepPlan) -> StepResult:
    assert step in ("scale", "capability")
    allowed = plan.allowed_w(one.commanded_w)
    read, metered = one.settled_w, one.metered_w
    result = StepResult(
        step="scale" if step == "scale" else "capability",
        verdict="passed",
        commanded_w=one.commanded_w,
        read_w=read,
        metered_w=metered,
        measured=read,
        least=one.commanded_w - allowed,
        most=one.commanded_w + allowed,
        unit="W",
    )
    if read is None or abs(read - one.commanded_w) > allowed:
        return _with(result, "failed", "the power is not what was commanded")
    if metered is not None and abs(metered - (one.commanded_w - one.before_w)) > allowed:
        return _with(result, "failed", "the meter did not see what was commanded")
    return result


def _joined(note: str, told: str) -> str:
    return f"{note}, {told}" if told else note


def _with(result: StepResult, verdict: StepVerdict, note: str = "") -> StepResult:
    return msgspec.structs.replace(result, verdict=verdict, note=note)
