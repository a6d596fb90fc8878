"""Refuses a program that scripts or tests call and that a fresh machine would not have.

programs.py ROOT PACKAGE...: the packages are those of packages.sh. A program may come from one of them, from what they
depend on, from what every Debian has (required packages), or from git, without which nobody gets as far as here. Which
package a program is from says dpkg.

Shell scripts are read by shfmt, Python by its own parser. Seen is what stands there as a word: the first word of a
command, behind `timeout 5` and the like too, or of the array or list that is one. A program whose name is put together
at run time is not seen; what is found in the checkout itself need not be.
"""

import ast
import collections
import json
import pathlib
import re
import subprocess
import sys

PATH = ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin")
GIVEN = {"git"}
# They run what their arguments say. Our own functions that do so are known by ending in "$@".
WRAPPERS = {"command", "env", "exec", "nice", "setsid", "sudo", "timeout", "xargs"}
STARTERS = {"subprocess": {"run", "call", "check_call", "check_output", "Popen"}, "shutil": {"which"},
            "asyncio": {"create_subprocess_exec"}, "os": {"execv", "execve", "execvp", "execvpe", "posix_spawn", "posix_spawnp"}}
# The benchmarks, which no test runs, say themselves what they lack; what t/package/run has other systems run, it installs
# there.
ASKED_FOR = {("t/bench/", "wrk")} | {(script, program) for script in ("t/package/use.sh", "t/package/walk.sh")
                                     for program in ("sqlite3", "wallet-sync-admin", "wallet-sync-import",
                                                     "wallet-sync-export", "wallet-sync-backup")}


# ---- shell

def nodes(tree):
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def parts_of(word):
    parts = (word or {}).get("Parts", [])
    return parts[0].get("Parts", []) if len(parts) == 1 and parts[0]["Type"] == "DblQuoted" else parts


def literal(word):
    """The text of a word without expansions, else None."""
    parts = parts_of(word)
    if not parts or any(part["Type"] not in ("Lit", "SglQuoted") for part in parts):
        return None
    return "".join(part.get("Value", "") for part in parts)


def variable(word):
    """The name, if the word is the value of one variable, else None."""
    parts = parts_of(word)
    return parts[0]["Param"]["Value"] if len(parts) == 1 and parts[0]["Type"] == "ParamExp" else None


class Shell:
    """All scripts together: they source each other."""

    def __init__(self):
        self.trees, self.functions, self.values = [], set(), collections.defaultdict(set)

    def add(self, place, text, line=1):
        done = subprocess.run(["shfmt", "--to-json", "-ln", "bash"], input=text, capture_output=True, text=True, check=True)
        tree = json.loads(done.stdout)
        self.trees.append((place, line, tree))
        for node in nodes(tree):
            if node.get("Type") == "FuncDecl":
                self.functions.add(node["Name"]["Value"])
            for assign in node.get("Assigns") or node.get("Args") or []:
                if isinstance(assign, dict) and "Name" in assign:
                    words = [element.get("Value") for element in (assign.get("Array") or {}).get("Elems", [])][:1]
                    for word in words or [assign.get("Value")]:
                        self.values[assign["Name"]["Value"]].add(literal(word))

    def calls(self):
        """(place, line, program)"""
        wrappers = WRAPPERS | {name for _, _, tree in self.trees for name in self._wrappers(tree)}
        for place, line, tree in self.trees:
            for node in nodes(tree):
                if node.get("Type") == "CallExpr" and node.get("Args"):
                    for program in self._called(node["Args"], wrappers):
                        if program and program not in self.functions:
                            yield place, line + node["Pos"]["Line"] - 1, program

    @staticmethod
    def _wrappers(tree):
        for node in nodes(tree):
            if node.get("Type") == "FuncDecl":
                for call in nodes(node["Body"]):
                    if call.get("Type") == "CallExpr" and variable((call.get("Args") or [{}])[0]) == "@":
                        yield node["Name"]["Value"]

    def _called(self, words, wrappers):
        first = literal(words[0])
        if first is None:
            return self.values.get(variable(words[0]), set())
        if first.rpartition("/")[2] not in wrappers:
            return {first}
        # Its options, numbers and file names come first.
        for at, word in enumerate(words[1:], 1):
            text = literal(word)
            if word["Parts"][0]["Type"] == "Lit" and text and re.fullmatch(r"[a-z_/][^=]*", text):
                return {first} | self._called(words[at:], wrappers)
        return {first}


# ---- Python

class Python:
    """All modules together: what one of them calls may be named in another."""

    def __init__(self, shell):
        self._shell, self._trees, self._values = shell, [], collections.defaultdict(list)

    def add(self, place, text):
        tree = ast.parse(text)
        self._trees.append((place, tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._values[place, target.id].append(node.value)
                        self._values[target.id].append(node.value)  # as an attribute of the module
            elif isinstance(node, ast.FunctionDef):
                self._values[node.name] += [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
            elif self._starts(node):
                words = [getattr(word, "value", None) for word in getattr(node.args[0], "elts", [])]
                if words[:2] in (["sh", "-c"], ["bash", "-c"]):
                    self._shell.add(place, words[2], node.lineno)
                elif any(option.arg == "shell" for option in node.keywords):
                    self._shell.add(place, getattr(node.args[0], "value", ""), node.lineno)

    @staticmethod
    def _starts(node):
        return (isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute)
                and node.func.attr in STARTERS.get(getattr(node.func.value, "id", None), ()))

    def calls(self):
        for place, tree in self._trees:
            for node in ast.walk(tree):
                if self._starts(node):
                    for program in self._programs(place, node.args[0], 5):
                        yield place, node.lineno, program

    def _programs(self, place, node, depth):
        if isinstance(node, ast.Constant):
            return {node.value} if re.fullmatch(r"[\w./+-]+", str(node.value)) else set()
        parts = []
        if isinstance(node, (ast.List, ast.Tuple)):
            parts = node.elts[:1]
        elif isinstance(node, ast.Starred):
            parts = [node.value]
        elif isinstance(node, ast.ListComp):
            parts = [node.generators[0].iter]
        elif isinstance(node, ast.BoolOp):
            parts = node.values
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left]
        elif isinstance(node, ast.Name):
            parts = self._values.get((place, node.id), [])
        elif isinstance(node, ast.Attribute):
            parts = self._values.get(node.attr, [])
        elif isinstance(node, ast.Call):
            parts = self._values.get(getattr(node.func, "attr", getattr(node.func, "id", None)), [])
        return {program for part in parts if depth for program in self._programs(place, part, depth - 1)}


# ---- Debian

def query(*words):
    return subprocess.run(["dpkg-query", *words], capture_output=True, text=True, check=False).stdout.splitlines()


def names(relation):
    """The packages a field names: a list of alternatives for each."""
    return [[re.split(r"[ (:]", name.strip())[0] for name in each.split("|")] for each in relation.split(",") if each.strip()]


def packages_of_a_fresh_machine(listed):
    depends, provided, found = {}, collections.defaultdict(set), set()
    wanted = [name for each in listed for name in each.split("|")[:1]] + sorted(GIVEN)
    for row in query("-W", "-f", r"${Package}\t${Essential}\t${Priority}\t${Provides}\t${Pre-Depends},${Depends}\n"):
        name, essential, priority, provides, needs = row.split("\t")
        depends[name] = names(needs)
        for virtual, *_ in names(provides):
            provided[virtual].add(name)
        if essential == "yes" or priority == "required":
            wanted.append(name)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += provided.get(name, ())
            wanted += [next((one for one in each if one in depends), each[0]) for each in depends.get(name, [])]
    return found


def files_of(program):
    """Where the program is, and behind a link of update-alternatives the program itself."""
    path = next((each for each in [pathlib.Path(folder, program) for folder in PATH] if each.exists()), None)
    while path:
        yield str(path)
        path = path.parent / path.readlink() if path.is_symlink() else None


def owners(programs):
    """{program: the packages it is from, empty if it is from none; None if it is not here}"""
    files = {program: list(files_of(program)) for program in programs}
    wanted = {place for each in files.values() for file in each for place in (file, file.replace("/usr/", "/", 1))}
    packages = collections.defaultdict(set)
    for line in query("-S", *sorted(wanted)):
        owning, _, file = line.rpartition(": ")
        if not owning.startswith("diversion"):
            packages["/usr" + file.removeprefix("/usr")] |= {name.split(":")[0] for name in owning.split(", ")}
    return {program: next((packages[file] for file in each if packages[file]), set()) if each else None
            for program, each in files.items()}


# ---- the checkout

def sources(root):
    """(place, is it Python, text) of every script."""
    for file in sorted(root.rglob("*")):
        place = file.relative_to(root)
        hidden = place.parts[0].startswith(".") and place.parts[0] != ".ci"
        if hidden or "__pycache__" in place.parts or not file.is_file():
            continue
        text = file.read_bytes()
        interpreter = text.split(b"\n", 1)[0] if text.startswith(b"#!") else b""
        if file.suffix == ".py" or b"python" in interpreter:
            yield str(place), True, text.decode()
        elif file.suffix == ".sh" or interpreter.endswith(b"sh") or str(place) in ("config", "config.make"):
            yield str(place), False, text.decode()


def main(root, listed):
    shell = Shell()
    python = Python(shell)
    for place, is_python, text in sources(root):
        (python if is_python else shell).add(place, text)
    builtins = set(subprocess.run(["bash", "-c", "compgen -b"], capture_output=True, text=True, check=True).stdout.split())
    calls = [call for call in sorted({*shell.calls(), *python.calls()})
             if call[2] not in builtins and ("/" not in call[2] or call[2].startswith("/"))
             and not any(call[0].startswith(folder) and call[2] == program for folder, program in ASKED_FOR)]
    fresh, owning, complaints = packages_of_a_fresh_machine(listed), owners({program for _, _, program in calls}), []
    for place, line, program in calls:
        packages = owning[program]
        if packages is None and program in listed:
            continue  # this Debian has no such package: what calls it has to do without
        if packages is None:
            complaints.append(f"{place}:{line}: calls {program}, which is in no package that is installed")
        elif not packages & fresh:
            origin = " or ".join(sorted(packages)) or "no package"
            complaints.append(f"{place}:{line}: calls {program}, which is from {origin}: no list in t/lib/packages.sh has that")
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
