"""./test lint refuses a program that a script or a test calls and that no list of packages installs."""

import pathlib
import subprocess

PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "lib/programs.py"

SHELL = [
    "curl -s http://localhost/",
    "if ! x=$(/usr/bin/env LANG=C curl -s); then exit 1; fi",
    "timeout 5 curl",
    "echo x | xargs -0 -n 2 curl >/dev/null",
    "program=curl\n\"$program\" -s",
    "command=(curl -s) other=(./configure)\n\"${other[@]}\" && \"${command[@]}\"",
    "quietly() {\n    \"$@\" >/dev/null\n}\nquietly curl",
]
PYTHON = [
    "subprocess.run(['curl', '-s'], check=True)",
    "subprocess.Popen('curl')",
    "subprocess.run('x=$(curl -s)', shell=True)",
    "subprocess.run(['bash', '-c', 'sed p | curl'])",
    "line = ['curl']\nsubprocess.run([*line, '-v'])",
    "def command():\n    return ['curl']\n\nsubprocess.run(command() + ['-v'])",
    "shutil.which('curl')",
]


def lint(root, *packages):
    """(exit status, lines)"""
    done = subprocess.run(["/usr/bin/python3", PROGRAMS, root, *packages], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


def test_a_program_is_seen_however_it_is_called(tmp_path):
    expected = []
    for suffix, texts in ((".sh", SHELL), (".py", PYTHON)):
        for number, text in enumerate(texts):
            (tmp_path / f"{number}{suffix}").write_text(text)
            expected.append(f"{number}{suffix}:{len(text.splitlines())}: calls curl, which is from curl: "
                            "no list in t/lib/packages.sh has that")
    status, lines = lint(tmp_path)
    assert (status, lines) == (1, sorted(expected))


def test_a_program_that_is_not_there_at_all_is_refused(tmp_path):
    (tmp_path / "run").write_text("#!/bin/sh\nno-such-program")
    assert lint(tmp_path, "curl") == (1, ["run:2: calls no-such-program, which is in no package that is installed"])


def test_programs_of_listed_packages_and_of_those_they_depend_on_may_be_called(tmp_path):
    (tmp_path / "some.sh").write_text("curl; sed; own; git; gcc\nown() { /usr/bin/g++; c++; }\n")
    assert lint(tmp_path, "curl", "g++|clang") == (0, [])


def test_a_listed_package_that_this_debian_lacks_may_be_asked_for(tmp_path):
    (tmp_path / "some.sh").write_text("if command -v clang-format-1; then clang-format-1 --version; fi")
    assert lint(tmp_path, "clang-format-1") == (0, [])
    assert lint(tmp_path)[0] == 1
