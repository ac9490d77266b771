"""A device behind an MQTT broker: what it publishes as samples, and setpoints as commands that it answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import aiomqtt

from adapters.cancellation import cancellable
from adapters.driving.fleet_file import FleetDevice, Mqtt
from adapters.driving.port import Unreachable, Unreadable, WriteRefused, WriteUncertain, WrongAnswer
from adapters.mqtt.message import (
    ANSWER,
    COMMAND,
    TELEMETRY,
    Answer,
    Command,
    answer_of,
    beat_fields,
    check_profile,
    field_of,
    object_of,
    readings_of,
    release_fields,
    setpoint_fields,
    text_of,
)
from dispatch.devices import writing
from dispatch.devices.profile import Period
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

ANSWER_S: Final = 1.0
"""How long a connection, an acknowledgement or an answer is waited for."""
TURN_S: Final = 2.0
"""How long a message is waited for that was not read yet."""
_LATE_S: Final = 1.0
"""So much later than its profile says a message may come."""
_ID_BYTES: Final = 8
_KEEPALIVE_S: Final = 5
_QOS: Final = 1


class _Told(NamedTuple):
    """A message as it came. `early`: before the last setpoint was answered."""

    at_ms: int
    content: bytes
    early: bool = False


class MqttPort:
    """See adapters.driving.port.DevicePort. `run` names this process's run, `clock_ms` is our clock.

    A message is read once; several that came since are one reading, the newest. Of those that were replaced
    unread, or are no telemetry, as many numbers are missing as the profile's period asks for: a device that
    tells oftener loses nothing by it. What a broker kept (retained) is of an unknown moment and is not read.
    """

    def __init__(
        self,
        device: FleetDevice,
        run: str,
        clock_ms: Callable[[], int],
        *,
        answer_s: float = ANSWER_S,
        turn_s: float = TURN_S,
    ) -> None:
        if not isinstance(device.address, Mqtt):
            raise Refused("device_address", "mqtt", place="address")
        check_profile(device.profile)
        self.profile: Final = device.profile
        self._address: Final = device.address
        self._device: Final = device
        self._run: Final = run
        self._clock_ms: Final = clock_ms
        self._answer_s: Final = answer_s
        self._turn_s: Final = turn_s
        self._period_ms: Final = device.profile.every_s("active_power") * 1000
        self._tells_s: Final = max(turn_s, self._period_ms / 1000 + _LATE_S)
        self._topic: Final = device.address.topic.strip("/")
        self._number = 0
        self._client: aiomqtt.Client | None = None
        self._listening: asyncio.Task[None] | None = None
        self._newest: _Told | None = None
        self._unshown = 0
        """How many messages came since the last sample, and are in none."""
        self._numbered_ms = clock_ms()
        self._early = 0
        """The number of the last sample whose message was early."""
        self._came = asyncio.Event()
        self._connecting = asyncio.Lock()
        self._asked: dict[str, asyncio.Future[Answer]] = {}
        self._setting = ""
        """The id of the last command, where it was a setpoint or its end."""
        self._malformed = ""
        """Why what came as an answer, since the last command was sent, could not be read."""

    @property
    def device(self) -> str:
        return self._device.id

    @property
    def periods(self) -> frozenset[Period]:
        """A message is read as it comes, however seldom that is."""
        return frozenset({"fast"})

    @property
    def unread(self) -> bool:
        return self._newest is not None

    async def told(self) -> None:
        """Until a message is there: for as long as its profile says, a second more, and two at least.

        Raises:
            Unreachable, WrongAnswer.
        """
        await self._message(self._tells_s)

    async def read(self, periods: Collection[Period]) -> Sample:
        """The newest message that was not read yet, whatever of `periods` is in it; waits for the next one.

        Raises:
            Unreachable, WrongAnswer, Unreadable: within the turn's time, whatever broker and device do.
        """
        del periods
        await self._message(self._turn_s)
        assert self._newest is not None
        (at_ms, content, early), self._newest = self._newest, None
        try:
            found = readings_of(self.profile, object_of(content), at_ms)
        except Refused as refused:
            self._unshown += 1
            raise Unreadable(str(refused)) from None
        if not found:
            self._unshown += 1
            raise Unreadable("a message with nothing of the profile in it")
        sample = self._sample(found, at_ms)
        if early:
            self._early = sample.number
        return sample

    def early(self, sample: Sample) -> bool:
        return sample.number == self._early

    async def _message(self, seconds: float) -> None:
        """Until one is there that was not read yet."""
        try:
            async with asyncio.timeout(seconds):
                while self._newest is None:
                    await self._connected()
                    if self._newest is not None:
                        return
                    self._came.clear()
                    await self._came.wait()
                    if self._client is None and self._newest is None:
                        raise Unreachable("the connection to the broker was lost")
        except TimeoutError:
            raise WrongAnswer(f"no message within {seconds} s") from None

    def _sample(self, found: dict[str, Reading], at_ms: int) -> Sample:
        roles: dict[Role, Reading] = {
            role: found.pop(name) for role, name in self.profile.roles.items() if name in found
        }
        return Sample(
            device=self.device,
            run=self._run,
            number=self._numbered(self._unshown + 1, at_ms),
            at_ms=at_ms,
            device_ms=_clock_of(roles),
            readings=roles,
            others=found,
        )

    def lost(self, why: str) -> Sample:
        """It stands for a message that came and is in no sample, where there is one."""
        at_ms = self._clock_ms()
        number = self._numbered(self._unshown, at_ms)
        return Sample(device=self.device, run=self._run, number=number, at_ms=at_ms, lost=why)

    def _numbered(self, came: int, at_ms: int) -> int:
        """The number of the last of `came` messages since the last number, by `at_ms`."""
        asked_for = round((at_ms - self._numbered_ms) / self._period_ms)
        self._number += max(1, min(came, asked_for))
        self._unshown, self._numbered_ms = 0, at_ms
        return self._number

    def settable_w(self, power_w: int) -> int:
        """Raises:
        Refused: `control_missing` where it is not written.
        """
        return writing.settable_w(self.profile, power_w, {})

    async def write_setpoint(self, power_w: int, revert_s: int) -> None:
        """One command with the value, its revert timer and the enable.

        Raises:
            Unreachable, WriteRefused, WriteUncertain; Refused: as `setpoint_writes`.
        """
        reverts = "revert_timer" in self.profile.roles
        fields = setpoint_fields(self.profile, power_w, revert_s if reverts else None)
        await self._command(fields, sets=True)

    async def release(self) -> None:
        """Raises as `write_setpoint`; Refused: `control_missing` where the profile knows no release."""
        fields = release_fields(self.profile)
        if not fields:
            wrong = f"{self.profile.id} knows no release: write 0 W"
            raise Refused("control_missing", wrong, place="control.release")
        await self._command(fields, sets=True)

    async def beat(self, number: int) -> None:
        fields = beat_fields(self.profile, number)
        if fields:
            await self._command(fields, sets=False)

    async def _command(self, fields: Mapping[str, int | Decimal], *, sets: bool) -> None:
        """Publish it and wait for its answer, which shows what was set. `sets`: a setpoint, or its end."""
        try:
            async with asyncio.timeout(self._answer_s):
                client = await self._connected()
        except TimeoutError:
            raise Unreachable(f"no connection to the broker within {self._answer_s} s") from None
        named = secrets.token_hex(_ID_BYTES)
        self._malformed, self._setting = "", named if sets else ""
        until_ms = self._clock_ms() + int(self._answer_s * 1000)
        answered = self._asked[named] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._answer_s):
                content = Command(named, until_ms, fields).encoded()
                await cancellable(client.publish(f"{self._topic}/{COMMAND}", content, qos=_QOS))
                answer = await answered
        except TimeoutError:
            why = f": its answer could not be read: {self._malformed}" if self._malformed else ""
            raise WriteUncertain(f"no answer within {self._answer_s} s{why}") from None
        except aiomqtt.MqttError as error:
            await self._disconnect()
            raise WriteUncertain(f"the broker did not acknowledge it: {error}") from None
        finally:
            del self._asked[named]
            answered.cancel()
            if sets and (answered.cancelled() or answered.exception() is not None):
                self._age()
        _check(answer, fields)

    async def _connected(self) -> aiomqtt.Client:
        """Raises:
        Unreachable: the broker is not there, or refuses.
        """
        async with self._connecting:
            return self._client or await self._connect()

    async def _connect(self) -> aiomqtt.Client:
        await self._disconnect()
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            identifier=f"wattledger-{self.device}-{self._run}",
            timeout=self._answer_s,
            keepalive=_KEEPALIVE_S,
        )
        entered = False
        try:
            await client.__aenter__()
            entered = True
            for name in (TELEMETRY, ANSWER):
                await cancellable(client.subscribe(f"{self._topic}/{name}", qos=_QOS))
        except BaseException as error:
            if entered:
                await _left(client)
            if isinstance(error, aiomqtt.MqttError | OSError):
                raise Unreachable(f"{self._address.host}:{self._address.port}: {error}") from None
            raise
        self._client = client
        self._listening = asyncio.create_task(self._listen(client))
        return client

    async def _listen(self, client: aiomqtt.Client) -> None:
        try:
            async for message in client.messages:
                if not message.retain and isinstance(message.payload, bytes):
                    self._heard(str(message.topic), message.payload)
        except aiomqtt.MqttError as error:
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(aiomqtt.MqttError(str(error)))
        finally:
            if self._client is client:
                self._client = None
            self._came.set()

    def _heard(self, topic: str, content: bytes) -> None:
        if topic == f"{self._topic}/{TELEMETRY}":
            self._unshown += self._newest is not None
            self._newest = _Told(self._clock_ms(), content)
            self._came.set()
            return
        try:
            answer = answer_of(content)
        except Refused as refused:
            # No command's answer: the one that waits goes on waiting, and is uncertain then.
            self._malformed = str(refused)
            return
        asked = self._asked.get(answer.id)
        if asked is not None and not asked.done():
            if answer.id == self._setting:
                self._age()
            asked.set_result(answer)

    def _age(self) -> None:
        """What is not read yet may show what stood before."""
        if self._newest is not None:
            self._newest = self._newest._replace(early=True)

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            # Awaited by itself it would hide that whoever waits for its end is told to end, too.
            await asyncio.wait([listening])
            if not listening.cancelled():
                listening.result()
        if client is not None:
            await _left(client)

    async def close(self) -> None:
        await self._disconnect()
        self._newest = None


async def _left(client: aiomqtt.Client) -> None:
    with suppress(aiomqtt.MqttError):
        await cancellable(client.__aexit__(None, None, None))


def _clock_of(readings: Mapping[Role, Reading]) -> int | None:
    """The device's clock in milliseconds, where the message has it."""
    found = readings.get("device_clock")
    if found is None or found.quality != "good" or not isinstance(found.value, int):
        return None
    return 1000 * found.value


def _check(answer: Answer, fields: Mapping[str, int | Decimal]) -> None:
    """That the device took it, and shows what it was given."""
    if not answer.ok:
        raise WriteRefused(answer.why or "refused")
    for name, value in fields.items():
        shown: Any = answer.set.get(name, field_of(answer.set, name))
        if shown != Fraction(value):
            raise WriteUncertain(f"{name} was set to {value} and shows {text_of(shown) or 'nothing'}")
