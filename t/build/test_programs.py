"""./test lint refuses a program that a script or a test calls and that no list of packages installs."""

import pathlib
import subprocess

import pytest

PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "lib/programs.py"


def lint(root, *packages):
    """(exit status, lines)"""
    done = subprocess.run(["/usr/bin/python3", PROGRAMS, root, *packages], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def refused(root, file, text, program="curl"):
    """The one complaint about the file, whose last line calls the program."""
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    place = f"{file}:{len(text.splitlines())}: calls {program}, "
    status, lines = lint(root)
    assert status == 1 and len(lines) == 1 and lines[0].startswith(place), lines
    return lines[0].removeprefix(place)


@pytest.mark.parametrize("text", [
    "curl -s http://localhost/",
    "if ! x=$(/usr/bin/env LANG=C curl -s); then exit 1; fi",
    "timeout 5 curl",
    "echo x | xargs -0 -n 2 curl >/dev/null",
    "program=curl\n\"$program\" -s",
    "command=(curl -s) other=(./configure)\n\"${other[@]}\" && \"${command[@]}\"",
    "quietly() {\n    \"$@\" >/dev/null\n}\nquietly curl",
], ids=range(7))
def test_a_program_is_seen_however_a_shell_script_calls_it(tmp_path, text):
    said = refused(tmp_path, "t/some.sh", text)
    assert said == "which is from curl: no list in t/lib/packages.sh has that"


@pytest.mark.parametrize("text", [
    "subprocess.run(['curl', '-s'], check=True)",
    "subprocess.Popen('curl')",
    "subprocess.run('x=$(curl -s)', shell=True)",
    "subprocess.run(['bash', '-c', 'sed p | curl'])",
    "command = ['curl']\nsubprocess.run([*command, '-v'])",
    "def command():\n    return ['curl']\n\nsubprocess.run(command() + ['-v'])",
    "shutil.which('curl')",
], ids=range(7))
def test_a_program_is_seen_however_python_calls_it(tmp_path, text):
    refused(tmp_path, "t/some.py", "import shutil\nimport subprocess\n" + text)


def test_a_program_that_is_not_there_at_all_is_refused(tmp_path):
    assert refused(tmp_path, "run", "#!/bin/sh\nno-such-program", "no-such-program") == "which is in no package that is installed"


def test_whoever_lists_the_package_may_call_its_programs(tmp_path):
    (tmp_path / "some.sh").write_text("curl; sed; own; git\nown() { /usr/bin/g++; c++; }\n")
    assert lint(tmp_path, "curl", "g++|clang") == (0, [])


def test_what_a_package_depends_on_is_there_too(tmp_path):
    (tmp_path / "some.sh").write_text("gcc")
    assert lint(tmp_path, "g++") == (0, [])
