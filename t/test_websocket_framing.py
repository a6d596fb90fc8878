"""What a client may say on a websocket, and the close code it gets for everything else (RFC 6455 sections 5 and 7)."""

import pytest

from support.settings import rounds
from support.websocket import (BINARY, CLOSE, CONTINUATION, INVALID_TEXT, PING, PONG, PROTOCOL_ERROR, TEXT, TOO_BIG,
                               RawWebsocket, close_frame, frame)


@pytest.fixture
def socket(server, token):
    with RawWebsocket(server.port, token) as socket:
        yield socket


@pytest.mark.smoke
@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff" * 10, b"p" * 125])
def test_a_ping_is_answered_with_its_payload(socket, payload):
    socket.say(PING, payload)
    assert socket.hear() == (PONG, payload)


def test_pings_are_answered_in_order(socket):
    socket.send(b"".join(frame(PING, b"%d" % n) for n in range(100)))
    assert [socket.hear() for _ in range(100)] == [(PONG, b"%d" % n) for n in range(100)]


@pytest.mark.parametrize("payload", [b"", b"unasked"])
def test_a_pong_nobody_asked_for_is_ignored(socket, payload):
    socket.say(PONG, payload)
    socket.alive()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 511, 512])
def test_messages_up_to_512_bytes_are_ignored(socket, opcode, size):
    for _ in range(3):
        socket.say(opcode, b"x" * size)
    socket.alive()


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [513, 1000, 65535, 65536, 300_000])
def test_a_longer_message_is_closed_with_1009(socket, opcode, size):
    socket.send_while_open([frame(opcode, b"x" * size)])
    assert socket.hear_close() == TOO_BIG


@pytest.mark.parametrize("size", [513, 1 << 31, (1 << 63) - 1])
def test_a_longer_message_is_not_waited_for(socket, size):
    socket.say(BINARY, b"x", length=(16 if size < 65536 else 64, size))
    socket.assert_closed(TOO_BIG)


def fragments(opcode, parts):
    last = len(parts) - 1
    return b"".join(frame(CONTINUATION if at else opcode, part, fin=at == last) for at, part in enumerate(parts))


@pytest.mark.parametrize("sizes", [[256, 256], [0, 512], [512, 0], [1] * 512, [500, 12, 0, 0], [0, 0, 0]])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_of_up_to_512_bytes_together_are_ignored(socket, opcode, sizes):
    for _ in range(2):
        socket.send(fragments(opcode, [b"x" * size for size in sizes]))
    socket.alive()


@pytest.mark.parametrize("sizes", [[256, 257], [512, 1], [1, 512], [1] * 513, [500, 12, 0, 1]])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_of_more_together_are_closed_with_1009(socket, opcode, sizes):
    socket.send(fragments(opcode, [b"x" * size for size in sizes]))
    socket.assert_closed(TOO_BIG)


def test_fragments_that_go_on_for_ever_are_closed_with_1009(socket):
    socket.send_while_open([frame(TEXT, b"x", fin=False), *[frame(CONTINUATION, b"x" * 100, fin=False)] * 6])
    assert socket.hear_close() == TOO_BIG


def test_control_frames_may_come_between_fragments_and_pauses_too(socket):
    socket.say(TEXT, b"one", fin=False)
    socket.alive()
    socket.say(CONTINUATION, b"two", fin=False)
    socket.say(PONG)
    socket.alive()
    socket.say(CONTINUATION, b"three")
    socket.alive()
    socket.say(TEXT, b"four")
    socket.alive()


def test_the_sum_of_fragments_is_kept_over_pauses(socket):
    socket.say(TEXT, b"x" * 500, fin=False)
    socket.alive()
    socket.say(CONTINUATION, b"x" * 12, fin=False)
    socket.alive()
    socket.say(CONTINUATION, b"x")
    socket.assert_closed(TOO_BIG)


GOOD_TEXT = ["ü", "€", "😀", "\0", "\U0010ffff", "\ud7ff", "\ufffe", "日本語", "a" * 500 + "ü😀"]
BAD_TEXT = [b"\xff", b"\xc3", b"\xc3\x28", b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
            b"\xf0\x9f\x98", b"fine so far \xe2\x82", b"\xf8\x88\x80\x80\x80", b"a\xfe"]


@pytest.mark.parametrize("text", GOOD_TEXT)
def test_any_utf_8_is_fine_wherever_it_is_cut(socket, text):
    data = text.encode()
    cuts = range(max(0, len(data) - 8), len(data) + 1)
    socket.send(frame(TEXT, data) + b"".join(fragments(TEXT, [data[:cut], data[cut:]]) for cut in cuts))
    socket.alive()
    socket.say(TEXT, data[:-1], fin=False)
    socket.alive()
    socket.say(CONTINUATION, data[-1:])
    socket.alive()


@pytest.mark.parametrize("data", BAD_TEXT)
def test_invalid_utf_8_is_closed_with_1007(socket, data):
    socket.say(TEXT, data)
    socket.assert_closed(INVALID_TEXT)


@pytest.mark.parametrize("data", BAD_TEXT)
def test_invalid_utf_8_over_two_fragments_is_closed_with_1007(server, token, data):
    for cut in range(len(data) + 1):
        with RawWebsocket(server.port, token) as socket:
            socket.send(fragments(TEXT, [data[:cut], data[cut:]]))
            socket.assert_closed(INVALID_TEXT)


def test_invalid_utf_8_is_found_over_a_pause(socket):
    socket.say(TEXT, b"\xe2\x82", fin=False)
    socket.alive()
    socket.say(CONTINUATION, b"a")
    socket.assert_closed(INVALID_TEXT)


def test_binary_messages_need_not_be_text(socket):
    for data in BAD_TEXT:
        socket.say(BINARY, data)
    socket.send(fragments(BINARY, [b"\xff", b"\xfe"]))
    socket.alive()


VIOLATIONS = {
    "unmasked text": frame(TEXT, b"x", masked=False),
    "unmasked ping": frame(PING, b"x", masked=False),
    "unmasked close": frame(CLOSE, masked=False),
    "rsv1": frame(TEXT, b"x", rsv=4),
    "rsv2": frame(TEXT, b"x", rsv=2),
    "rsv3": frame(TEXT, b"x", rsv=1),
    "rsv1 ping": frame(PING, rsv=4),
    **{f"opcode {number}": frame(number, b"x") for number in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"opcode {number} empty": frame(number) for number in (3, 11)},
    "ping of 126 bytes": frame(PING, b"x" * 126),
    "pong of 126 bytes": frame(PONG, b"x" * 126),
    "close of 126 bytes": close_frame(1000, b"x" * 124),
    "ping of 64 KiB": frame(PING, b"x" * 65536),
    "ping with a long length": frame(PING, b"x", length=(16, 1)),
    "text with a long length": frame(TEXT, b"x", length=(16, 1)),
    "text with a very long length": frame(TEXT, b"x" * 126, length=(64, 126)),
    "length above 2^63": frame(BINARY, length=(64, 1 << 63)),
    "fragmented ping": frame(PING, b"x", fin=False),
    "fragmented close": frame(CLOSE, b"\x03\xe8", fin=False),
    "continuation of nothing": frame(CONTINUATION, b"x"),
    "continuation of nothing, to be continued": frame(CONTINUATION, b"x", fin=False),
    "text within text": frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"),
    "binary within text": frame(TEXT, b"x", fin=False) + frame(BINARY, b"y", fin=False),
    "continuation after the end": frame(TEXT, b"x", fin=False) + frame(CONTINUATION, b"y") + frame(CONTINUATION, b"z"),
    "close of one byte": frame(CLOSE, b"\x03"),
    "plain HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_closed_with_1002(socket, name):
    socket.send_while_open([VIOLATIONS[name]])
    assert socket.hear_close() == PROTOCOL_ERROR


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_found_byte_by_byte(socket, name):
    data = VIOLATIONS[name][:64]
    socket.send_while_open(bytes([byte]) for byte in data)
    assert socket.hear_close() == PROTOCOL_ERROR


@pytest.mark.parametrize("violation", ["rsv1", "continuation of nothing"])
def test_what_comes_behind_a_violation_is_not_answered(socket, violation):
    socket.send(VIOLATIONS[violation] + frame(PING, b"behind") + close_frame(1000))
    socket.assert_closed(PROTOCOL_ERROR)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_close_is_answered_with_its_code(socket, code):
    socket.send(close_frame(code, "Adieu, schön war’s".encode()))
    socket.assert_closed(code)


def test_a_close_without_a_code_is_answered_without_one(socket):
    socket.send(close_frame())
    socket.assert_closed(None)


def test_a_close_may_come_byte_by_byte(socket):
    socket.send_slowly(bytes([byte]) for byte in close_frame(4000, "größer ≥ kleiner".encode()))
    socket.assert_closed(4000)


@pytest.mark.parametrize("cut", range(6, 16))
def test_a_close_may_come_in_two_pieces(socket, cut):
    data = close_frame(4000, b"good bye")
    socket.send_slowly([data[:cut], data[cut:]])
    socket.assert_closed(4000)


def test_a_close_may_have_the_longest_reason(socket):
    socket.send(close_frame(1000, b"x" * 123))
    socket.assert_closed(1000)


@pytest.mark.parametrize("code", [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_close_with_a_code_nobody_may_send_is_closed_with_1002(socket, code):
    socket.send(close_frame(code))
    socket.assert_closed(PROTOCOL_ERROR)


@pytest.mark.parametrize("reason", [b"\xff", b"fine so far \xc3", b"\xed\xa0\x80"])
def test_a_close_with_a_reason_that_is_not_utf_8_is_closed_with_1007(socket, reason):
    socket.send(close_frame(1000, reason))
    socket.assert_closed(INVALID_TEXT)


def test_what_comes_behind_a_close_is_not_answered(socket):
    socket.send(close_frame(1000) + frame(PING, b"behind") + close_frame(1001))
    socket.assert_closed(1000)


def test_a_close_within_a_fragmented_message_is_answered(socket):
    socket.send(frame(TEXT, b"x", fin=False) + close_frame(1000))
    socket.assert_closed(1000)


def test_frames_may_come_byte_by_byte(socket):
    data = (frame(TEXT, "ein Gruß".encode()) + frame(PING, b"ping") + frame(BINARY, b"x" * 200)
            + fragments(TEXT, [b"\xe2", b"\x82", b"\xac"]) + frame(PING) + frame(PONG) + close_frame(3000))
    socket.send_slowly(bytes([byte]) for byte in data)
    assert [socket.hear(), socket.hear()] == [(PONG, b"ping"), (PONG, b"")]
    socket.assert_closed(3000)


@pytest.mark.parametrize("size", [2, 3, 5, 7, 64, 4095, 4096, 4097])
def test_frames_may_come_in_pieces_of_any_size(socket, size):
    sizes = range(0, 512, 23) if size > 7 else range(0, 60, 9)
    data = b"".join(frame(PING, b"%d" % n) + frame(TEXT, b"x" * n) for n in sizes)
    socket.send_slowly(data[at:at + size] for at in range(0, len(data), size))
    assert [socket.hear() for _ in sizes] == [(PONG, b"%d" % n) for n in sizes]


def test_thousands_of_frames_at_once_are_heard(socket):
    count = rounds(8000)
    for _ in range(4):
        socket.send(frame(TEXT, b"x" * 100) * (count // 4))
        socket.alive()


@pytest.mark.parametrize("leave", ["close", "abort"])
def test_a_client_that_leaves_without_a_word_does_no_harm(server, token, leave):
    workers = server.nginx.worker_pids()
    for data in (b"", frame(TEXT, b"xyz")[:4], frame(TEXT, b"x", fin=False), frame(PING) * 50, close_frame(1000), b"\xff" * 20):
        for _ in range(5):
            socket = RawWebsocket(server.port, token)
            socket.send(data)
            getattr(socket, leave)()
    with RawWebsocket(server.port, token) as socket:
        socket.alive()
    assert server.nginx.worker_pids() == workers
