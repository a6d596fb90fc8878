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

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

BEGIN, END = "<!-- session: begin -->", "<!-- session: end -->"
PROMPT = ">>> "


def commands(text):
    return [line[len(PROMPT):] for line in text.splitlines() if line.startswith(PROMPT)]


def session_of(document):
    """What stands between the markers."""
    return document.split(BEGIN, 1)[1].split(END, 1)[0]


def run_command(command, names):
    """What the prompt prints for one command."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        tree = ast.parse(command)
        if isinstance(tree.body[-1], ast.Expr):
            value = eval(compile(ast.Expression(tree.body[-1].value), "<session>", "eval"), names)
            if value is not None:
                print(repr(value))
        else:
            exec(compile(tree, "<session>", "exec"), names)
    return shown.getvalue()


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
