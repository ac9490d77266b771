"""A storage that speaks MQTT: publishes what it is, takes commands once, and can misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import aiomqtt

from adapters.cancellation import cancellable

Fault = Literal["", "silent", "refuses", "other_value", "garbage", "malformed", "twice"]


class Storage:
    def __init__(self, client: aiomqtt.Client, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.fault: Fault = ""
        self.fields: dict[str, Any] = {
            "power_kw": 0, "soc": 55.2, "state": 2, "setpoint_kw": 0, "revert_s": 60, "enabled": 0, "beat": 0,
            "meter": {"import_kwh": 1234.567, "export_kwh": None},
        }  # fmt: skip
        self.taken: list[dict[str, Any]] = []
        self.tells_first: dict[str, Any] = {}
        """What it tells before it answers a command, if anything."""
        self._answers: dict[str, bytes] = {}

    async def tell(self, *, retain: bool = False, **changed: Any) -> None:
        self.fields |= {"time": int(time.time())} | changed
        content = json.dumps(self.fields)
        await cancellable(self.client.publish(f"{self.topic}/telemetry", content, qos=1, retain=retain))

    async def serve(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            command = json.loads(message.payload)
            if self.tells_first:
                await self.tell(**self.tells_first)
                # A broker keeps no order between topics.
                await asyncio.sleep(0.1)
            if self.fault == "silent":
                continue
            if command["id"] not in self._answers:
                self._answers[command["id"]] = self._answer(command)
            for _ in range(2 if self.fault == "twice" else 1):
                content = b"{" if self.fault == "garbage" else self._answers[command["id"]]
                await cancellable(self.client.publish(f"{self.topic}/answer", content, qos=1))

    def _answer(self, command: dict[str, Any]) -> bytes:
        if self.fault == "refuses":
            return json.dumps({"id": command["id"], "ok": False, "why": "local control"}).encode()
        if command["until_ms"] < time.time() * 1000:
            return json.dumps({"id": command["id"], "ok": False, "why": "late"}).encode()
        self.taken.append(command["set"])
        self.fields |= command["set"]
        if self.fault == "other_value":
            self.fields["setpoint_kw"] = 0
        if self.fault == "malformed":
            return json.dumps({"id": command["id"], "ok": "yes", "set": [1]}).encode()
        shown = {name: self.fields[name] for name in command["set"]}
        return json.dumps({"id": command["id"], "ok": True, "set": shown}).encode()


@asynccontextmanager
async def storage(port: int, topic: str) -> AsyncIterator[Storage]:
    client = aiomqtt.Client("127.0.0.1", port, identifier=f"storage-{topic.replace('/', '-')}", timeout=1)
    await client.__aenter__()
    await client.subscribe(f"{topic}/command", qos=1)
    made = Storage(client, topic)
    serving = asyncio.create_task(made.serve())
    try:
        yield made
    finally:
        serving.cancel()
        # The broker may be gone: that is what some scenes are about.
        with suppress(asyncio.CancelledError, aiomqtt.MqttError):
            await serving
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)
