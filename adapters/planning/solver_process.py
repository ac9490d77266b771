"""The optimiser in a process of its own: bounded in time and memory, niced, and replaced when it dies.

A solver that hangs, eats memory or crashes takes nothing else with it; what it had found by then is the
answer.
"""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from adapters.planning.bounded_process import MEMORY_MIB, BoundedProcess, WorkDied
from dispatch.optimiser.lp import SolverError
from dispatch.optimiser.optimise import optimise, without_markets
from dispatch.optimiser.plan import Plan, merged
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rolling import STEP_SITES, RollingPlan
from dispatch.optimiser.solve import chunks
from ledger.refusal import Refused

_GRACE_S: Final = 2.0
"""After the time that the solver was given: building the program and reading its answer are not bounded by
it."""

_KEPT_MIB: Final = 256
"""What a process may hold while it waits for the next request; some 40 of it are the solver's code."""

Outcome = Literal["found", "too_late", "died", "refused", "failed"]
"""`found`: in time; `too_late`: killed when the time was up; `died`: by itself, such as out of memory;
`refused`: the request can be planned by nobody; `failed`: the solver gave up."""


class Answer(msgspec.Struct, frozen=True, eq=False):
    """The plan found, None where there is none, and how the solving ended."""

    plan: Plan | None
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0


class SolverProcess:
    """A context whose process solves one request after another. Not to be used by two threads at once.

    The process starts as the context is entered, so that it has imported the solver by the time that the
    first request is put together.
    """

    def __init__(self, *, memory_mib: int = MEMORY_MIB) -> None:
        self._memory_mib = memory_mib
        self._process: BoundedProcess | None = None
        self._incumbent: Plan | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int | None:
        """The process that solves; None before it starts and after a request that it did not survive."""
        return None if self._process is None else self._process.pid

    def start(self) -> BoundedProcess:
        """The process that runs, or another one where there is none."""
        if self._process is None or self._process.lost:
            self._end()
            self._process = BoundedProcess(serve, memory_mib=self._memory_mib)
        return self._process

    def renew(self) -> None:
        """Another process for the next request, where this one has grown or is gone."""
        if self._process is None or self._process.resident_mib > _KEPT_MIB:
            self._end()
            self.start()

    def solve(self, request: PlanRequest, seconds: float, *, rolling: str = "") -> Answer:
        """The best plan found within about `seconds`, of which the first is found without markets.

        Requests of one name in `rolling` follow each other an interval apart: where their sites share no
        market, each is solved from where the last one ended. A process that dies before it has found any
        plan is replaced once, within the time that is left. Never raises for what the solver does: the
        answer says it.
        """
        began = time.monotonic()
        first = self._asked(request, seconds, rolling)
        left = seconds - (time.monotonic() - began)
        if first.outcome != "died" or first.plan is not None or left <= 0:
            return first
        again = self._asked(request, left, rolling)
        why = f"{first.reason}, the one after it: {again.reason}" if again.outcome == "died" else again.reason
        return msgspec.structs.replace(again, reason=why, seconds=time.monotonic() - began)

    def _asked(self, request: PlanRequest, seconds: float, rolling: str) -> Answer:
        began = time.monotonic()
        process = self.start()
        try:
            pipe = process.ready()
        except WorkDied as gone:
            self._end()
            return Answer(None, "died", f"the solver's process: {gone}", time.monotonic() - began)
        began = time.monotonic()
        self._incumbent = None
        try:
            pipe.send((request, seconds, rolling))
            while True:
                left = began + seconds + _GRACE_S - time.monotonic()
                if not pipe.poll(max(0.0, left)):
                    self._end()
                    why = f"the solver was stopped after {seconds:g} s"
                    return Answer(_stopped(self._incumbent, why), "too_late", why, time.monotonic() - began)
                said = pipe.recv()
                if isinstance(said, Answer):
                    return msgspec.structs.replace(said, seconds=time.monotonic() - began)
                self._incumbent = said
        except (EOFError, ConnectionError) as gone:
            why = f"the solver's process {process.ended(gone)}"
            self._end()
            return Answer(_stopped(self._incumbent, why), "died", why, time.monotonic() - began)
        except BaseException:
            # Its answer would be taken for that to the next request.
            self._end()
            raise

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end()


def _stopped(incumbent: Plan | None, why: str) -> Plan | None:
    if incumbent is None:
        return None
    return msgspec.structs.replace(incumbent, status="stopped", reason=why)


def serve(pipe: Connection) -> None:
    """In the process: requests in, incumbents and one answer each out, until the pipe ends."""
    kept: dict[str, list[RollingPlan]] = {}
    while True:
        try:
            request, seconds, rolling = pipe.recv()
        except (EOFError, ConnectionError):
            return
        pipe.send(_answered(pipe, request, seconds, kept.setdefault(rolling, []) if rolling else None))


def _answered(
    pipe: Connection, request: PlanRequest, seconds: float, rolling: list[RollingPlan] | None
) -> Answer:
    try:
        if rolling is not None and not request.coupled:
            return Answer(_stepped(rolling, request), "found")
        if request.coupled:
            pipe.send(without_markets(request))
        return Answer(optimise(request, seconds=seconds), "found")
    except Refused as refused:
        return Answer(None, "refused", str(refused))
    except SolverError as error:
        return Answer(None, "failed", str(error))


def _stepped(rolling: list[RollingPlan], request: PlanRequest) -> Plan:
    """The request's chunks, each by the program that solved it last."""
    parts = chunks(request, STEP_SITES)
    rolling += [RollingPlan() for _ in range(len(parts) - len(rolling))]
    return merged(tuple(one.step(part) for one, part in zip(rolling, parts, strict=False)))
