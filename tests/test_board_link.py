"""Client and hardware of a board's link, on the simulated top module of a real board: what works, and what breaks."""

from __future__ import annotations

import os
import tty
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from board_simulation import build_board, running, write_pass_through
from loopwire.boards.client import BoardClient, timeout_s
from loopwire.boards.hdlc import FLAG, Decoder, encode
from loopwire.boards.hosted import BUFFER_BYTES
from loopwire.boards.identity import Identity, identity_of
from loopwire.boards.link import Port, open_port
from loopwire.errors import BoardError
from loopwire.project.written import read_facts
from loopwire.simulate import verilator
from pass_through import FEATURES, STEPS

TIMEOUT_S = 20.0
SHORT_TIMEOUT_S = 0.3
HDL = Path(verilator.__file__).parents[1] / "hdl"
MODULES = ("uart_rx", "uart_tx", "crc32", "hdlc_receiver", "hdlc_sender", "frame_buffer", "host")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pass_through(tmp_path_factory.mktemp("project") / "same")


@pytest.fixture(scope="module")
def program(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(project, tmp_path_factory.mktemp("board") / "ulx3s")


@pytest.fixture
def port(program: Path) -> Iterator[Port]:
    with running(program) as port:
        yield port


class Faulty:
    """A line that changes what it is given; both directions are those of `port` until told otherwise."""

    def __init__(self, port: Port) -> None:
        self.name, self._port = port.name, port
        self.sending: Callable[[bytes], bytes] = bytes
        self.receiving: Callable[[bytes], bytes] = bytes

    @property
    def in_waiting(self) -> int:
        return self._port.in_waiting

    def read(self, size: int) -> bytes:
        return self.receiving(self._port.read(size))

    def write(self, data: bytes) -> int | None:
        return self._port.write(self.sending(data))


def sequences(number: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(number)
    lengths = random.integers(1, STEPS, number, endpoint=True)
    lengths[::3] = STEPS
    return random.integers(-(2**15), 2**15, (number, STEPS, FEATURES)), lengths


def run_some(client: BoardClient, number: int = 40) -> None:
    inputs, lengths = sequences(number)
    due = np.where((np.arange(STEPS) < lengths[:, np.newaxis])[..., np.newaxis], inputs, 0)
    assert np.array_equal(client.run(inputs, lengths), due)


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_free_of_warnings(module: str) -> None:
    sources = [HDL / f"loopwire_{name}.sv" for name in MODULES]
    assert verilator.lint(f"loopwire_{module}", sources) == ""


def test_the_top_module_is_free_of_warnings(program: Path) -> None:
    sources = sorted(program.parents[1].glob("*.sv"))
    warnings = verilator.lint("pass_through_ulx3s", sources)
    # The PLL's stand-in is not a module of ours; its ports that the top leaves open are outputs.
    assert [line for line in warnings.splitlines() if "%Warning" in line and "bench.sv" not in line] == []


def test_sequences_of_all_lengths_come_back(port: Port, project: Path) -> None:
    client = BoardClient(port, TIMEOUT_S)
    assert client.identity == identity_of(read_facts(project), BUFFER_BYTES)
    told: list[tuple[int, int]] = []
    inputs, lengths = sequences(300)
    client.run(inputs, lengths, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (300, 300) and told == sorted(told)
    run_some(client)
    run_some(BoardClient(port, TIMEOUT_S))


def test_more_bytes_than_the_buffer_holds_are_never_on_their_way(port: Port) -> None:
    client = BoardClient(port, TIMEOUT_S)
    inputs = np.random.default_rng(1).integers(-9, 9, (3 * BUFFER_BYTES // 16, STEPS, FEATURES))
    assert np.array_equal(client.run(inputs, np.full(len(inputs), STEPS)), inputs)


def test_noise_before_the_conversation_is_forgotten(port: Port) -> None:
    client = BoardClient(port, TIMEOUT_S)
    port.write(b"noise" + FLAG + encode(b"\x10\x07 half a beat")[:-3])
    run_some(BoardClient(port, TIMEOUT_S))
    assert client.identity.name == "pass_through"


def changed_bit(data: bytes) -> bytes:
    return data[:5] + bytes([data[5] ^ 1]) + data[6:]


def dropped(_: bytes) -> bytes:
    return b""


def unknown_command(data: bytes) -> bytes:
    (content,) = Decoder().feed(data)
    assert content is not None
    return encode(b"\x63" + content[1:])


def too_long(data: bytes) -> bytes:
    (content,) = Decoder().feed(data)
    assert content is not None
    return encode(content[:2] + bytes(BUFFER_BYTES))


def half_a_beat(data: bytes) -> bytes:
    (content,) = Decoder().feed(data)
    assert content is not None
    return encode(b"\x11" + content[1:-1])


SENT_WRONGLY = {
    changed_bit: "the board reports that a frame from the host was broken.* Try again; if it stays so, check the cable",
    too_long: "the board reports that a frame from the host was lost",
    unknown_command: "the board reports that a frame from the host meant nothing",
    half_a_beat: "the board reports that a frame from the host meant nothing",
    dropped: "the board reports that a frame from the host was lost",
}


@pytest.mark.parametrize("fault", SENT_WRONGLY)
def test_faults_on_the_way_to_the_board(fault: Callable[[bytes], bytes], port: Port) -> None:
    line = Faulty(port)
    client = BoardClient(line, TIMEOUT_S)
    frames = iter((fault,))
    line.sending = lambda data: next(frames, bytes)(data)
    with pytest.raises(BoardError, match=SENT_WRONGLY[fault]):
        run_some(client)
    line.sending = bytes
    run_some(BoardClient(line, TIMEOUT_S))


def test_the_board_falls_silent(port: Port) -> None:
    line = Faulty(port)
    client = BoardClient(line, SHORT_TIMEOUT_S)
    line.sending = dropped
    text = r"the board sent 0 of 40 results and then nothing for 0.3 s. Try again; if it stays so, build the bitstream"
    with pytest.raises(BoardError, match=text):
        run_some(client)
    line.sending = bytes
    run_some(BoardClient(line, TIMEOUT_S))


def without_the_third_frame() -> Callable[[bytes], bytes]:
    decoder, numbers = Decoder(), count()
    return lambda data: b"".join(encode(frame) for frame in decoder.feed(data) if frame and next(numbers) != 2)


def broken_frames(data: bytes) -> bytes:
    return data.replace(FLAG, b"x" + FLAG)


def longer_results() -> Callable[[bytes], bytes]:
    decoder = Decoder()
    return lambda data: b"".join(encode(frame + bytes(4 * STEPS)) for frame in decoder.feed(data) if frame)


RECEIVED_WRONGLY = [
    (lambda: broken_frames, "a frame from the board was broken. Try again; if it stays so, check the cable"),
    (without_the_third_frame, "a frame from the board was lost"),
    (longer_results, r"the board sent \d+ bytes where \d+ of result 0 were expected"),
]


@pytest.mark.parametrize(("fault", "text"), RECEIVED_WRONGLY)
def test_faults_on_the_way_from_the_board(fault: Callable[[], Callable[[bytes], bytes]], text: str, port: Port) -> None:
    line = Faulty(port)
    client = BoardClient(line, TIMEOUT_S)
    line.receiving = fault()
    with pytest.raises(BoardError, match=text):
        run_some(client, 300)
    line.receiving = bytes
    run_some(BoardClient(line, TIMEOUT_S))


def test_nothing_answers() -> None:
    board, host = os.openpty()
    tty.setraw(host)
    text = (
        r"nothing answers within 0.3 s. Check that the board is on and holds a bitstream of Loopwire's, and that --baud"
    )
    with open_port(os.ttyname(host), 115_200) as port, pytest.raises(BoardError, match=text):
        BoardClient(port, SHORT_TIMEOUT_S)
    os.close(board)
    os.close(host)


def test_a_slow_line_is_given_time() -> None:
    assert timeout_s(3_000_000) == pytest.approx(2.01, abs=0.01)
    assert timeout_s(9_600) > BUFFER_BYTES * 10 / 9_600, "until the last byte of a full buffer has arrived"


def test_no_such_port(tmp_path: Path) -> None:
    text = r"ttyUSB7: there is no such port. Connect the board. Ports found: "
    with pytest.raises(BoardError, match=text), open_port(str(tmp_path / "ttyUSB7"), 115_200):
        pass


def test_a_port_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    text = "pipe: it cannot be opened .*Close what else uses it; on Linux, its users belong to the group that owns it"
    with pytest.raises(BoardError, match=text), open_port(str(path), 115_200):
        pass


def test_a_line_that_breaks(port: Port) -> None:
    def broken(_: bytes) -> bytes:
        raise OSError(5, "Input/output error")

    line = Faulty(port)
    client = BoardClient(line, TIMEOUT_S)
    line.receiving = broken
    with pytest.raises(BoardError, match=r"the connection broke \(.*Input/output error\). Connect the board again"):
        run_some(client)


IDENTITIES = [
    (b"\x00\x01", "the identity of the design cannot be read. Build the bitstream with this version of Loopwire"),
    (b'{"protocol":2}', "it speaks version 2 of the protocol, not 1. Build the bitstream with this version"),
    (b'{"protocol":1,"name":"x"}', "the identity of the design cannot be read"),
]


@pytest.mark.parametrize(("content", "text"), IDENTITIES)
def test_identities_of_others(content: bytes, text: str) -> None:
    with pytest.raises(BoardError, match=text):
        Identity.from_bytes(content, "/dev/ttyUSB0")
