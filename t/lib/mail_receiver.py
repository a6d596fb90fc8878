"""The mail server of `./run --accounts email`: takes every mail and shows it instead of delivering it.

mail_receiver.py DIRECTORY URL: listens on a free port of 127.0.0.1, which it writes to DIRECTORY/mail.port. URL is
where the links can be opened on this machine; the ones in the mails are for servers with a name and HTTPS.
"""

import asyncio
import email
import email.policy
import os
import re
import sys

from aiosmtpd.smtp import SMTP


class Handler:
    def __init__(self, url):
        self.url = url

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.SMTPUTF8)
        text = message.get_body(("plain",)).get_content().rstrip()
        lines = ["", *(f"{name}: {message[name]}" for name in ("Date", "From", "To", "Subject")), "", *text.splitlines()]
        print("\n  mail | ".join(lines).lstrip("\n"), flush=True)
        link = re.search(r"/api/3/verify\?verifyToken=\w+", text)
        if link:
            print(f"  On this machine the link is: curl '{self.url}{link[0]}'", flush=True)
        return "250 OK"


async def main(directory, url):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(url), enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
    port = os.path.join(directory, "mail.port")
    with open(port + ".new", "w", encoding="ascii") as out:
        out.write(f"{server.sockets[0].getsockname()[1]}\n")
    os.rename(port + ".new", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
