"""What has to be built before anything can be measured: the module, an earlier one, the clients, a certificate."""

import fcntl
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BUILD = ROOT / ".build"

LIBRARIES = {"redis_loop": ["-lhiredis", "-levent"], "sockets": ["-lssl", "-lcrypto"], "scrypt": ["-lcrypto"]}


class Failure(Exception):
    """Something that the user should read; there is no result."""


def run_or_fail(command, what, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode:
        raise Failure(what)
    return done.stdout.strip()


def install_packages():
    """By the list that ./test has too; without root it says what is missing."""
    BUILD.mkdir(exist_ok=True)
    script = (
        "set -euo pipefail; source t/lib/common.sh; source t/lib/packages.sh; "
        'install_packages .build/apt-bench.log "${packages_to_build[@]}" "${packages_to_bench[@]}"'
    )
    if subprocess.run(["bash", "-c", script, "t/bench"], cwd=ROOT, check=False).returncode:
        raise Failure("packages are missing")


def module():
    return pathlib.Path(run_or_fail([ROOT / "t/lib/build_module.sh"], "the module does not build"))


class Against:
    """An earlier commit of ours, built by its own scripts from its own sources."""

    def __init__(self, name):
        self.commit = run_or_fail(
            ["git", "-C", ROOT, "rev-parse", "--verify", "--quiet", name + "^{commit}"], f"there is no commit {name}"
        )
        self.name = self.commit[:7]

    def module(self):
        directory = BUILD / f"against-{self.commit[:12]}"
        source, path = directory / "source", directory / "module"
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "lock").open("w") as lock:  # closed, and so released, by the with
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not source.exists():
                fresh = directory / "fresh"
                run_or_fail(["rm", "-rf", fresh], f"{fresh} cannot be removed")
                fresh.mkdir()
                archive = f"git -C '{ROOT}' archive {self.commit} | tar -x -C '{fresh}'"
                run_or_fail(["bash", "-o", "pipefail", "-c", archive], f"{self.name} cannot be unpacked")
                fresh.rename(source)
            return pathlib.Path(
                run_or_fail([source / "t/lib/build_module.sh", path], f"the module of {self.name} does not build")
            )


def describe():
    """The commit that stands in the working tree, and whether it was changed since."""
    git = ["git", "-C", ROOT]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode:
        return "sources without a history"
    changed = run_or_fail([*git, "status", "--porcelain", "--", "src", "redis", "ngx_module"], "git status fails")
    return commit.stdout.strip() + (" with changes" if changed else "")


def sources_of(path):
    """The file and what it includes of its own kind."""
    found = {path}
    for name in re.findall(r'^#include "(\w+\.hpp)"', path.read_text(), re.MULTILINE):
        found |= sources_of(HERE / name)
    return found


def program(name, *flags):
    """A client of t/bench in C++; built anew when a source of it is newer."""
    (BUILD / "bench").mkdir(parents=True, exist_ok=True)
    source, path = HERE / f"{name}.cpp", BUILD / "bench" / name
    if path.exists() and all(file.stat().st_mtime < path.stat().st_mtime for file in sources_of(source)):
        return path
    fresh = path.with_suffix(f".{os.getpid()}")
    command = ["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o", fresh]
    run_or_fail([*command, *LIBRARIES.get(name, []), *flags], f"{name}.cpp does not build")
    fresh.rename(path)
    return path


def certificate(directory):
    """A self-signed one for localhost, which is its own authority: certificate and key."""
    names = directory / "localhost.crt", directory / "localhost.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    run_or_fail([*command, "-out", names[0], "-keyout", names[1]], "openssl makes no certificate", stderr=subprocess.DEVNULL)
    return names
