"""Runs cmocka executables and tells what they say: unit.py RESULTS_DIR EXECUTABLE...

Each writes its own JUnit XML into RESULTS_DIR. One that crashes or hangs leaves none, or not all of it, so a
nonzero exit that the XML does not explain becomes a failed test of its own.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

import results

TIMEOUT = 300  # seconds for one executable


def run(executable, directory):
    """The lines to print of it."""
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
        lines = [f"FAIL {name}: {trouble}"]
    elif counted.failed:
        lines = [f"FAIL {name}: {counted.failed} of {counted.passed + counted.failed}"]
    else:
        return [f"ok   {name} ({counted.passed})"]
    lines += [f"     {test}: {message.strip()}" for test, message in results.failures(files)]
    if trouble:
        lines += [f"     {line}" for line in output.strip().splitlines()[-40:]]
    return lines


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    executables = sorted(map(pathlib.Path, sys.argv[2:]))
    # Mostly they wait, for a Redis of their own.
    with concurrent.futures.ThreadPoolExecutor(2 * os.cpu_count()) as pool:
        for lines in pool.map(run, executables, [directory] * len(executables)):
            print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
