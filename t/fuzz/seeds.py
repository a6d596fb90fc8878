#!/usr/bin/python3
"""Writes the seeds that are no plain text, or many, into corpus/. Run it after a change of what is here."""

import pathlib

CORPUS = pathlib.Path(__file__).parent / "corpus"
TOKEN = "0123456789abcdef" * 4


def seed(target, name, *parts):
    path = CORPUS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(part.encode() if isinstance(part, str) else part for part in parts))


def values():
    for name, text in {
        "address": "Ann.Lee+x@Example.com",
        "address-beyond-ascii": "jos\u00e9\u023a@\u0130stanbul.example",
        "base64": "YW5uQGV4YW1wbGUuY29t",
        "base64-in-lines": "YW5u\r\nQGV4YW1wbGUuY29t\n",
        "base64-padded": "YQ==",
        "query": f"token={TOKEN}&email=YW5u%3D&x=%zz;y&verifyToken=a+b",
        "token": TOKEN,
        "bearer": f"Bearer {TOKEN}",
        "etag": 'W/"1", "2" ,*',
    }.items():
        seed("values", name, text)
    seed("values", "utf8-edges", b"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80")
    seed("values", "utf8-broken", b"\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80")


def mail():
    seed("mail", "plain", "example.com\nsync.example.com:8443\nann@example.com")
    seed("mail", "beyond-ascii", "xn--bcher-kva.example\n1.2.3.4\nj\u00f6rg@b\u00fccher.example")
    seed("mail", "header", "example.com\nexample.com\nann@example.com\r\nBcc: bob@example.com")
    seed("mail", "longest", "example.com\nexample.com\n", "a" * 242, "@example.com")


def frame(opcode, payload=b"", final=True, mask=b"\x01\x02\x03\x04"):
    length = len(payload)
    header = bytes([opcode | (0x80 if final else 0)])
    if length < 126:
        header += bytes([0x80 | length])
    elif length < 65536:
        header += bytes([0x80 | 126]) + length.to_bytes(2, "big")
    else:
        header += bytes([0x80 | 127]) + length.to_bytes(8, "big")
    return header + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def pieces(*sizes):
    return bytes([len(sizes), *sizes])


def frames():
    text, binary, close, ping, pong = 1, 2, 8, 9, 10
    for name, sent in {
        "text": frame(text, b"hello"),
        "fragments": frame(text, b"hel", False) + frame(ping, b"?") + frame(0, b"lo"),
        "pings": frame(ping, b"a") * 12 + frame(ping),
        "close": frame(close, b"\x03\xe8bye") + frame(text, b"late"),
        "close-without-code": frame(close),
        "close-half-a-code": frame(close, b"\x03"),
        "close-bad-code": frame(close, b"\x00\x01"),
        "largest": frame(binary, b"x" * 512),
        "too-large": frame(binary, b"x" * 513),
        "unmasked": b"\x81\x02hi",
        "reserved-bit": b"\xc1\x80\x01\x02\x03\x04",
        "not-utf8": frame(text, b"\xff"),
        "continuation-of-nothing": frame(0, b"x"),
        "huge-length": b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
        "pong": frame(pong, b"late"),
    }.items():
        seed("frames", name, pieces(0x11, 0x20, 0x3F, 0x02, 0x77), sent)


def overlay():
    seed("overlay", "set-and-read", bytes([1, 1, 0, 0]), "old", bytes([1, 1, 0, 1, 2, 1, 1, 0, 0]), "new")
    seed("overlay", "remove", bytes([2, 0, 0, 0]), "one", bytes([0, 1, 0]), "two",
         bytes([1, 0, 0, 2, 0, 0, 0, 1, 0, 0, 4]))
    seed("overlay", "many", bytes(range(7, 160)))


def bulk(*texts):
    return "".join(f"${len(text)}\r\n{text}\r\n" if text is not None else "$-1\r\n" for text in texts)


def array(*texts):
    return f"*{len(texts)}\r\n" + bulk(*texts)


def replies():
    for name, sent in {
        "greeting": "+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
        "wallet": array("7", "hmac", "wallet") + array("7", "a.1 b.2 c.3 d.4 e.5 f.6"),
        "no-wallet": array(None, None, None),
        "fields-missing": array("7", None, None),
        "token": bulk("1900000000 * " + "ab" * 32) + bulk("1900000000 read device") + "$-1\r\n",
        "key": bulk("scrypt$15$8$1$" + "ab" * 32) + bulk("ab" * 32) + bulk("scrypt$99$8$1$" + "ab" * 32),
        "errors": "-LOADING Redis is loading\r\n-EXECABORT x because of: READONLY y\r\n-ERR unknown 'a'\r\n",
        "numbers": ":9223372036854775807\r\n:-1\r\n*-1\r\n" + array("4294967296", "x"),
        "nested": "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        "wide": "*1048576\r\n*1048576\r\n:1\r\n",
        "no-resp": "HTTP/1.1 400 Bad Request\r\n\r\n",
    }.items():
        seed("replies", name, pieces(0, 3, 1, 200), sent)


def requests():
    seed_hex = "5" * 64
    address = '"email":"Ann@example.com"'
    bodies = {
        "/signup": '{%s,"password":"secret123"}' % address,
        "/auth/full": '{%s,"password":"secret123","deviceId":"laptop"}' % address,
        "/wallet": '{"version":1,"token":"%s","encryptedWallet":"first","sequence":1,"hmac":"abc"}' % TOKEN,
        "/api/3/signup": '{%s,"password":"secret123","clientSaltSeed":"%s"}' % (address, seed_hex),
        "/api/3/auth/full": '{%s,"password":"secret123","deviceId":"\\u00e4\\ud83d\\ude00"}' % address,
        "/api/3/wallet": '{"token":"%s","encryptedWallet":"f\\"\\n","sequence":4294967295,"hmac":"abc"}' % TOKEN,
        "/api/3/password": '{%s,"oldPassword":"secret123","newPassword":"secret456","clientSaltSeed":"%s",'
                           '"encryptedWallet":"w","sequence":2,"hmac":"m"}' % (address, seed_hex),
        "/api/3/verify/resend": "{%s}" % address,
    }
    for path, body in bodies.items():
        name = path[1:].replace("/", "-")
        for answers in ("", "aabaa", "abaaaaaaaaa", "s", "at", "aaaaau", "aaaaaaaaabbb"):
            seed("request", f"post-{name}-{answers}", f"POST {path}\nMode: email\nStore: {answers}\n\n{body}")
        seed("request", f"post-{name}-open", f"POST {path}\n\n{body}")
        seed("request", f"post-{name}-unknown", f"POST {path}\n\n" + body[:-1] + ',"x":[{"a":[null,1.5e3,true]}]}')
    for name, head in {
        "delete-account": 'DELETE /api/3/account\nDeletion: on\nStore: aabaa\n\n{%s,"password":"secret123"}' % address,
        "delete-account-off": 'DELETE /api/3/account\n\n{%s,"password":"secret123"}' % address,
        "stored-whitelist": "POST /signup\nWhitelist: a@b.c\nStored: on\nStore: ab\n\n" + bodies["/signup"],
        "wallet": f"GET /wallet?token={TOKEN}\nStore: aab\n\n",
        "wallet-by-header": f"GET /api/3/wallet\nAuthorization: bEARER  {TOKEN}\nIf-None-Match: W/\"1\"\nStore: aabaa\n\n",
        "salt-seed": "GET /api/3/client-salt-seed?email=YW5uQGV4YW1wbGUuY29t\n\n",
        "verify": f"GET /api/3/verify?verifyToken={TOKEN}\nAccept: html\n\n",
        "verify-nothing": "GET /api/3/verify?verifyToken=\n\n",
        "websocket": f"GET /api/3/websocket?token={TOKEN}\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 13\n\n",
        "websocket-old": f"GET /api/3/websocket?token={TOKEN}\nConnection: Upgrade\nUpgrade: websocket\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Version: 8\n\n",
        "unknown": "GET /api/2/wallet\n\n",
        "method": "PUT /wallet\n\n",
        "not-listed": "POST /signup\nWhitelist: bob@example.com\n\n" + bodies["/signup"],
    }.items():
        seed("request", name, head)


# The first byte says what is there, then how many operations, each by two bytes, then how the server answers:
# small bytes honestly.
def store():
    for kind in range(13):
        for sequence in (0, 1, 2):
            seed("store", f"operation-{kind}-{sequence}", bytes([8 if sequence == 2 else 0, 0, kind, sequence]))
    lost = 110  # EXEC runs, and the connection is lost
    for kind in range(9):
        unverified = 2 if kind in (5, 6, 7) else 0
        seed("store", f"lost-{kind}", bytes([unverified, 0, kind, 1] + [0] * 6 + [lost] * 12))
    seed("store", "together", bytes([0, 3, 0, 1, 0, 2, 2, 0, 3, 3]))
    seed("store", "nonsense", bytes([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 166, 165, 0, 0, 173]), "x" * 80)


def events():
    join, accept = 0, 2
    subscribed, beat, update, changed, end = 4, 5, 7, 8, 11
    seed("events", "a-life", bytes([join, accept, beat, subscribed, update, changed, 1]))
    seed("events", "a-gap", bytes([join, accept, beat, subscribed, end, 3 + 48, accept, beat, subscribed, update]))
    seed("events", "nothing-comes", bytes([join, accept, 3 + 240, 3 + 240]))
    seed("events", "anything", bytes([join, accept, 9, 7]), "message", bytes([1]), "x", bytes([4]), ":1\r\n",
         bytes([10, 5]), "+OK\r\n", bytes([9, 0, 0, 0]))


def main():
    values()
    requests()
    store()
    events()
    mail()
    frames()
    overlay()
    replies()


if __name__ == "__main__":
    main()
