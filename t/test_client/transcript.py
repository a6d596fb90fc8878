#!/usr/bin/env python3
"""Runs the commands of a session against a server and shows what a Python prompt would show.

    transcript.py [FILE]     runs the session between the markers of FILE (README.md) and puts the result there

The server is the one of WALLET_SYNC_URL. A session signs its accounts up, so it needs a server without them.
"""

import ast
import contextlib
import io
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from test_client import Client  # noqa: E402

opened_at = {}  # the sequence there was when a client's websocket was opened: of that it is not told

BEGIN, END = "<!-- session: begin -->", "<!-- session: end -->"
PROMPT = ">>> "


def commands(text):
    return [line[len(PROMPT):] for line in text.splitlines() if line.startswith(PROMPT)]


def session_of(document):
    """What stands between the markers."""
    return document.split(BEGIN, 1)[1].split(END, 1)[0]


class Screen(io.StringIO):
    """What is printed; the lines of other threads are put behind those of the command."""

    def __init__(self):
        super().__init__()
        self._others = {}

    def write(self, text):
        if threading.current_thread() is threading.main_thread():
            return super().write(text)
        self._others.setdefault(threading.get_ident(), []).append(text)
        return len(text)

    def text(self):
        return self.getvalue() + "".join(part for parts in self._others.values() for part in parts)


def run_command(command, names):
    """What the prompt prints for one command."""
    shown = Screen()
    with contextlib.redirect_stdout(shown):
        tree = ast.parse(command)
        if isinstance(tree.body[-1], ast.Expr):
            value = eval(compile(ast.Expression(tree.body[-1].value), "<session>", "eval"), names)
            if value is not None:
                print(repr(value))
        else:
            exec(compile(tree, "<session>", "exec"), names)
        hear(names.values())
    return shown.text()


def hear(values):
    """Waits until websockets have told of the write that the command made, as a person at the prompt would."""
    clients = [value for value in values if isinstance(value, Client)]
    newest = max((client.sequence for client in clients), default=0)
    end = time.monotonic() + 30
    for client in clients:
        if client.listening and client not in opened_at:
            opened_at[client] = newest
        while client.listening and newest > opened_at[client] and (client.heard or 0) < newest:
            if time.monotonic() > end:
                raise TimeoutError(f"no websocket told of {newest}")
            time.sleep(0.01)


def run(text):
    """The text again, each command with the output it has now; prose stays where it is."""
    out, names, printed = [], {}, False
    for line in text.splitlines():
        if line.startswith(PROMPT):
            out.append(line)
            out += run_command(line[len(PROMPT):], names).splitlines()
            printed = True
        elif not printed or line.startswith("```") or not line.strip():
            out.append(line)
            printed = False
    return "\n".join(out) + "\n"


def normalised(text):
    """Random parts replaced by numbers in the order they appear, so that two runs can be compared."""
    seen = {}

    def number(kind):
        return lambda match: f"{match[1]}<{kind} {seen.setdefault(match[2], len(seen) + 1)}>"

    text = re.sub(r"(token:  )([0-9a-f]{63,64})\b", number("token"), text)
    return re.sub(r"(:)([0-9a-fA-F]{4})\b", number("change"), text)


def main(path):
    with open(path, encoding="utf-8") as file:
        document = file.read()
    before, after = document.split(BEGIN, 1)[0], document.split(END, 1)[1]
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + run(session_of(document)).strip("\n") + "\n" + END + after)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md"))
