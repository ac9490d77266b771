"""The optimiser in a process of its own: bounded in time and memory, niced, and replaced when it dies.

A solver that hangs, eats memory or crashes takes nothing else with it; what it had found by then is the
answer.
"""

from __future__ import annotations

import os
import resource
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Final, Literal, Self

import msgspec

from dispatch.optimiser.lp import SolverError
from dispatch.optimiser.optimise import optimise, without_markets
from dispatch.optimiser.plan import Plan, merged
from dispatch.optimiser.request import PlanRequest
from dispatch.optimiser.rolling import STEP_SITES, RollingPlan
from dispatch.optimiser.solve import chunks
from ledger.refusal import Refused

MEMORY_MIB: Final = 4096
_NICE: Final = 10
_START_S: Final = 60.0
"""Importing the solver, on a machine that does much else."""
_GRACE_S: Final = 2.0
"""After the time that the solver was given: building the program and reading its answer are not bounded by
it."""
_END_S: Final = 5.0

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
    """A context whose process solves one request after another. Not to be used by two threads at once."""

    def __init__(self, *, memory_mib: int = MEMORY_MIB) -> None:
        self._memory_mib = memory_mib
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._incumbent: Plan | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def pid(self) -> int | None:
        """The process that solves; None before the first request and after one that it did not survive."""
        return None if self._process is None else self._process.pid

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
        try:
            pipe = self._ready()
        except SolverError as gone:
            return Answer(None, "died", str(gone), time.monotonic() - began)
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
            code = self._end()
            why = f"the solver's process ended with {code} ({type(gone).__name__})"
            return Answer(_stopped(self._incumbent, why), "died", why, time.monotonic() - began)

    def _ready(self) -> Connection:
        """A running process that has said that it is there.

        Raises:
            SolverError: none could be started.
        """
        if self._process is not None and self._process.is_alive() and self._pipe is not None:
            return self._pipe
        self._end()
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._memory_mib), daemon=True, name="solver")
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        try:
            if ours.poll(_START_S) and ours.recv() == "ready":
                return ours
        except EOFError:
            pass
        raise SolverError(f"the solver's process did not start; it ended with {self._end()}")

    def _end(self) -> int | None:
        """Kill the process, if there is one; its exit code, below 0 the signal that ended it."""
        process, pipe, self._process, self._pipe = self._process, self._pipe, None, None
        if pipe is not None:
            pipe.close()
        if process is None:
            return None
        process.join(0.2)
        if process.is_alive():
            process.kill()
            process.join(_END_S)
        code = process.exitcode
        process.close()
        return code


def _stopped(incumbent: Plan | None, why: str) -> Plan | None:
    if incumbent is None:
        return None
    return msgspec.structs.replace(incumbent, status="stopped", reason=why)


def _serve(pipe: Connection, memory_mib: int) -> None:
    """In the process: requests in, incumbents and one answer each out, until the pipe ends."""
    os.nice(_NICE)
    size = memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    pipe.send("ready")
    kept: dict[str, list[RollingPlan]] = {}
    while True:
        try:
            request, seconds, rolling = pipe.recv()
        except EOFError:
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
