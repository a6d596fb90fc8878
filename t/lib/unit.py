"""Runs cmocka executables and tells what they say: unit.py RESULTS_DIR EXECUTABLE...

Each writes its own JUnit XML into RESULTS_DIR. One that crashes or hangs leaves none, or not all of it, so a
nonzero exit that the XML does not explain becomes a failed test of its own.
"""

import os
import pathlib
import subprocess
import sys

import results

TIMEOUT = 300  # seconds for one executable


def run(executable, directory):
    name = executable.name
    environment = {
        **os.environ,
        "CMOCKA_MESSAGE_OUTPUT": "xml",
        "CMOCKA_XML_FILE": str(directory / f"{name}-%g.xml"),
    }
    try:
        done = subprocess.run(
            [executable], env=environment, timeout=TIMEOUT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        output, trouble = done.stdout, f"exit status {done.returncode}" if done.returncode else ""
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        trouble = f"no end after {TIMEOUT} seconds"

    files = sorted(directory.glob(f"{name}-*.xml"))
    counted = results.count(files)
    if trouble and not counted.failed or not counted.passed + counted.failed:
        trouble = trouble or "it ran no test"
        results.write_check(directory / f"{name}-crash.xml", name, trouble)
        counted.failed += 1
        print(f"FAIL {name}: {trouble}")
    elif counted.failed:
        print(f"FAIL {name}: {counted.failed} of {counted.passed + counted.failed}")
    else:
        print(f"ok   {name} ({counted.passed})")
        return
    for test, message in results.failures(files):
        print(f"     {test}: {message.strip()}")
    if trouble and output.strip():
        print("     " + "\n     ".join(output.strip().splitlines()[-40:]))


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for executable in sorted(map(pathlib.Path, sys.argv[2:])):
        run(executable, directory)


if __name__ == "__main__":
    main()
