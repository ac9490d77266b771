"""The program from outside: by pymodbus's client, by pysunspec2's, by bare sockets, and 500 at once."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import sunspec2.modbus.client as sunspec
from pymodbus.client import ModbusTcpClient

from adapters.bess_peer import fault
from tests.adapters.bess_peer.running_peer import EXAMPLES, PROGRAM, ROOT, RunningPeer, peer

METER = str(EXAMPLES / "meter_import_export.toml")


@pytest.fixture(scope="module")
def swapped() -> Iterator[RunningPeer]:
    with peer("bess_swapped", "--meter", METER, "--load-w", "80000") as running:
        yield running


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> None:
    if "swapped" in request.fixturenames:
        request.getfixturevalue("swapped").clear()


@pytest.fixture
def modbus(swapped: RunningPeer) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=swapped.ports[0], timeout=5, retries=0)
    assert client.connect()
    yield client
    client.close()


def words(client: ModbusTcpClient, address: int, count: int, unit: int = 1) -> list[int]:
    answer = client.read_input_registers(address, count=count, device_id=unit)
    assert not answer.isError()
    return list(answer.registers)


def test_pymodbus_reads_what_is_so(swapped: RunningPeer, modbus: ModbusTcpClient) -> None:
    """Its own conversions: low word first, charging above zero; tenths of a percent; float32."""
    kinds = modbus.DATATYPE
    assert not modbus.write_registers(2000, [56_000, 0], device_id=1).isError()
    assert not modbus.write_registers(2002, [600, 0], device_id=1).isError()
    assert not modbus.write_registers(2004, [1], device_id=1).isError()
    deadline = time.monotonic() + 5
    while swapped.truth()["power_w"] != -56_000 and time.monotonic() < deadline:
        time.sleep(0.1)
    truth = swapped.truth()
    assert (truth["power_w"], truth["setpoint_w"], truth["writes"]) == (-56_000, -56_000, 3)
    found = words(modbus, 1000, 24)
    convert = modbus.convert_from_registers
    assert convert(found[0:2], kinds.INT32, word_order="little") == 56_000
    assert convert(found[2:3], kinds.INT16) == truth["soc"] // 100
    assert found[3] == 2
    assert convert(found[8:10], kinds.FLOAT32, word_order="little") == 50.0
    assert convert(found[14:16], kinds.UINT32, word_order="little") == truth["stored_wh"]
    assert convert(words(modbus, 1102, 8), kinds.STRING) == "example"
    meter = words(modbus, 0, 14, unit=2)
    assert convert(meter[8:10], kinds.INT32) == 136_000
    assert convert(meter[0:4], kinds.UINT64) == swapped.truth()["import_uj"] // 36_000_000_000
    assert modbus.write_register(2004, 0, device_id=1).exception_code == 1
    assert modbus.read_holding_registers(0, count=1, device_id=1).exception_code == 2
    assert modbus.read_holding_registers(0, count=1, device_id=9).exception_code == 11


def test_pysunspec2_finds_every_model_and_drives_it() -> None:
    with peer("sunspec_bess", "--soc", "62500") as running:
        device = sunspec.SunSpecModbusClientDeviceTCP(
            slave_id=1, ipaddr="127.0.0.1", ipport=running.ports[0], timeout=5
        )
        device.scan()
        assert [number for number in device.models if isinstance(number, int)] == [
            1,
            701,
            702,
            703,
            704,
            713,
            715,
        ]
        assert not any(model.error_info for group in device.models.values() for model in group)
        device.connect()
        ac, control, stored = device.models[701][0], device.models[704][0], device.models[713][0]
        assert (stored.SoC.cvalue, stored.WHRtg.cvalue, stored.WHAvail.cvalue) == (62.5, 200_000, 125_000)
        assert device.models[702][0].WDisChaRteMax.cvalue == 100_000
        assert (ac.W.cvalue, ac.Hz.cvalue, ac.LLV.cvalue, ac.LNV.value) == (0, 50.0, 400.0, None)
        for point, value in (
            (control.WSetMod, 1),
            (control.WSet, 40_000),
            (control.WSetRvrtTms, 30),
            (control.WSetEna, 1),
        ):
            point.cvalue = value
            point.write()
        device.models[715][0].ControllerHb.value = 7
        device.models[715][0].ControllerHb.write()
        deadline = time.monotonic() + 6
        while ac.W.cvalue != 40_000 and time.monotonic() < deadline:
            time.sleep(0.1)
            ac.read()
        control.read()
        assert (ac.W.cvalue, ac.InvSt.value, control.WSet.cvalue) == (40_000, 3, 40_000)
        assert 25 <= control.WSetRvrtRem.value <= 30
        truth = running.truth()
        assert (truth["power_w"], truth["enabled"], truth["beats"]) == (40_000, True, 1)
        device.disconnect()


class Wire:
    """Requests and answers as they are."""

    def __init__(self, running: RunningPeer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", running.ports[0]), timeout=5)
        self._sent = 0

    def send(self, pdu: bytes = bytes((4, 3, 232, 0, 4)), unit: int = 1) -> int:
        self._sent += 1
        self._socket.sendall(struct.pack(">HHHB", self._sent, 0, len(pdu) + 1, unit) + pdu)
        return self._sent

    def receive(self, timeout: float = 5) -> tuple[int, int, bytes] | None:
        """Transaction, unit and the rest; None when nothing comes."""
        self._socket.settimeout(timeout)
        try:
            head = self._exactly(7)
        except TimeoutError:
            return None
        transaction, _, length, unit = struct.unpack(">HHHB", head)
        return transaction, unit, self._exactly(length - 1)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def wire(swapped: RunningPeer) -> Iterator[Wire]:
    opened = Wire(swapped)
    yield opened
    opened.close()


def test_requests_that_come_together_or_in_pieces_are_all_answered(wire: Wire) -> None:
    """DEVICES: pymodbus's own server answers one of five that are sent at once."""
    for _ in range(5):
        wire.send()
    answers = [wire.receive() for _ in range(5)]
    assert [answer and answer[0] for answer in answers] == [1, 2, 3, 4, 5]
    asked = struct.pack(">HHHB", 6, 0, 6, 1) + bytes((4, 3, 232, 0, 4))
    for at in range(len(asked)):
        wire.raw(asked[at : at + 1])
    whole = wire.receive()
    assert whole is not None
    assert (whole[0], len(whole[2])) == (6, 10)


@pytest.mark.parametrize("head", [struct.pack(">HHHB", 1, 1, 6, 1), struct.pack(">HHHB", 1, 0, 255, 1)])
def test_what_is_no_modbus_ends_the_connection(wire: Wire, head: bytes) -> None:
    wire.raw(head + bytes(5))
    with pytest.raises(EOFError):
        wire.receive()


def test_answers_that_are_wrong(swapped: RunningPeer, wire: Wire) -> None:
    sent = wire.send()
    right = wire.receive()
    assert right is not None
    assert right[:2] == (sent, 1)
    for kind, given, transaction, unit, head in (
        ("short", {}, 0, 1, bytes((4, 6))),
        ("foreign", {"of": "unit"}, 0, 2, bytes((4, 8))),
        ("foreign", {"of": "function"}, 0, 1, bytes((3, 8))),
        ("foreign", {"of": "transaction"}, -1, 1, bytes((4, 8))),
    ):
        swapped.fault(kind, times=1, **given)
        sent = wire.send()
        answer = wire.receive()
        assert answer is not None
        assert (answer[0], answer[1], answer[2][:2]) == (sent + transaction, unit, head)
        assert len(answer[2]) == 2 + head[1]
    swapped.fault("transaction_zero", times=1)
    wire.send()
    assert (wire.receive() or [None])[0] == 0
    sent = wire.send()
    assert (wire.receive() or [None])[0] == sent


def test_answers_that_come_late_or_never(swapped: RunningPeer, wire: Wire) -> None:
    swapped.fault("late", times=1, delay_ms=400)
    late, next_ = wire.send(), wire.send()
    began = time.monotonic()
    assert (wire.receive() or [None])[0] == next_
    assert (wire.receive() or [None])[0] == late
    assert time.monotonic() - began >= 0.3
    swapped.fault("black_hole", times=2)
    wire.send()
    wire.send()
    assert wire.receive(0.3) is None
    swapped.fault("stall")
    first, second = wire.send(), wire.send()
    assert wire.receive(0.3) is None
    swapped.clear()
    assert [(wire.receive() or [None])[0] for _ in range(2)] == [first, second]


def test_a_stall_ends_by_itself(swapped: RunningPeer, wire: Wire) -> None:
    swapped.fault("stall", for_ms=300)
    began = time.monotonic()
    sent = wire.send()
    assert (wire.receive() or [None])[0] == sent
    assert time.monotonic() - began >= 0.25


def test_a_reset_after_a_write_leaves_it_uncertain(swapped: RunningPeer, wire: Wire) -> None:
    """It was done, and nobody was told: only a reading back can say so."""
    before = swapped.truth()["writes"]
    swapped.fault("reset", times=1)
    wire.send(bytes((16, 7, 210, 0, 2, 4, 0, 77, 0, 0)))
    with pytest.raises(ConnectionResetError):
        wire.receive()
    assert swapped.truth()["writes"] == before + 1
    again = Wire(swapped)
    again.send(bytes((3, 7, 210, 0, 2)))
    answer = again.receive()
    again.close()
    assert answer is not None
    assert answer[2] == bytes((3, 4, 0, 77, 0, 0))


def test_the_control_port_says_what_is_wrong(swapped: RunningPeer) -> None:
    for asked, code, place in (
        ({"do": "fault", "storage": 0, "fault": {"kind": "melted"}}, "peer_fault", ""),
        ({"do": "fault", "storage": 1, "fault": {"kind": "stall"}}, "peer_fault", "storage"),
        ({"do": "fault", "fault": {"kind": "torn", "point": "nothing"}}, "point_unknown", "point"),
        ({"do": "put", "soc": 100_001}, "peer_fault", ""),
        ({"do": "dance"}, "peer_fault", ""),
    ):
        answer = swapped.ask(**asked)
        assert (answer["ok"], answer["code"], answer["place"]) == (False, code, place)
    assert swapped.ask(do="put", load_w=90_000, soc=40_000) == {"ok": True}
    truth = swapped.truth()
    assert truth["grid_w"] == truth["power_w"] - 90_000
    assert truth["soc"] in (40_000, 40_001)
    swapped.fault("short")
    assert swapped.truth()["faults"] == ["short"]


def test_all_on_one_port_by_unit_ids() -> None:
    with peer("bess_single", "--count", "3", "--one-port") as running:
        client = ModbusTcpClient("127.0.0.1", port=running.ports[0], timeout=5, retries=0)
        assert client.connect()
        assert not client.write_register(100, 200, device_id=2).isError()
        setpoints = [
            client.read_holding_registers(100, count=1, device_id=unit).registers for unit in (1, 2, 3)
        ]
        client.close()
        assert setpoints == [[0], [200], [0]]
        assert [running.truth(number)["setpoint_w"] for number in range(3)] == [0, 10_000, 0]


@pytest.mark.parametrize(
    "arguments",
    [("--count", "0"), ("--soc", "100001"), ("--meter", METER.replace("meter_import_export", "bess_single"))],
)
def test_a_peer_that_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    profile = str(EXAMPLES / "bess_single.toml")
    done = subprocess.run(
        [*PROGRAM, "--profile", profile, *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("peer_profile: ")


def test_every_fault_is_in_the_union_and_on_the_page() -> None:
    written = re.findall(r'tag="(\w+)"', Path(fault.__file__).read_text(encoding="utf-8"))
    assert sorted(written) == sorted(kind.__struct_config__.tag for kind in get_args(fault.Fault))
    page = (ROOT / "docs" / "storage-peer.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE) == written


def processor_s(pid: int) -> float:
    """What a process has used of a core, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what a process used")
def test_five_hundred_take_less_than_a_third_of_a_core() -> None:
    """Two blocks of 100 registers a second each: what they use of a core, whatever else the machine does."""
    rounds = 3
    asked = [struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, address, 100) for address in (40_070, 40_280)]
    with peer("sunspec_bess", "--count", "500") as running:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=10) for port in running.ports]
        before = processor_s(running.process.pid)
        for _ in range(rounds):
            for request in asked:
                for client in clients:
                    client.sendall(request)
                for client in clients:
                    assert len(client.recv(209, socket.MSG_WAITALL)) == 209
            time.sleep(0.1)
        used = processor_s(running.process.pid) - before
        for client in clients:
            client.close()
    assert used / rounds < 0.30
