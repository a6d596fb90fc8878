"""What the parts of ./test found out, as JUnit XML files, and the summary line over them.

results.py check DIR NAME 0|1     records one check of ./test itself: 0 passed, anything else failed
results.py again FIRST SECOND     what failed in FIRST is judged by SECOND, where it ran once more
results.py summary DIR            prints "N passed, N failed"; fails if any test failed or none ran
"""

import dataclasses
import pathlib
import sys
import xml.etree.ElementTree as ElementTree
import xml.sax.saxutils


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0


def cases(files):
    """Every test case of the files; one that is no XML counts as a failed case, it was cut short."""
    for file in files:
        try:
            root = ElementTree.parse(file).getroot()
        except ElementTree.ParseError as error:
            case = ElementTree.Element("testcase", name=file.stem)
            ElementTree.SubElement(case, "failure").text = f"its results cannot be read: {error}"
            yield case
        else:
            yield from root.iter("testcase")


def trouble_of(case):
    for kind in ("failure", "error"):
        element = case.find(kind)
        if element is not None:
            return element
    return None


def count(files):
    total = Count()
    for case in cases(files):
        if trouble_of(case) is not None:
            total.failed += 1
        elif case.find("skipped") is None:
            total.passed += 1
    return total


def failures(files):
    for case in cases(files):
        element = trouble_of(case)
        if element is not None:
            yield case.get("name"), element.text or element.get("message") or ""


def again(first, second):
    tree = ElementTree.parse(first)
    key = lambda case: (case.get("classname"), case.get("name"))  # noqa: E731
    repeated = {key(case): trouble_of(case) for case in cases([second])}
    for suite in tree.getroot().iter("testsuite"):
        for case in list(suite.findall("testcase")):
            if trouble_of(case) is not None and key(case) in repeated:
                suite.remove(case)
                if repeated[key(case)] is None:
                    print("unsteady: " + "::".join(key(case)))
    tree.write(first)


def write_check(file, name, trouble):
    quoted = xml.sax.saxutils.quoteattr
    body = f"<failure message={quoted(trouble)}/>" if trouble else ""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"<testsuite><testcase name={quoted(name)}>{body}</testcase></testsuite>\n")


def summary(directory):
    total = count(sorted(directory.rglob("*.xml")))
    print(f"{total.passed} passed, {total.failed} failed")
    return 0 if total.passed and not total.failed else 1


def main():
    command, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "summary":
        return summary(directory)
    if command == "again":
        again(directory, pathlib.Path(sys.argv[3]))
        return 0
    name, status = sys.argv[3], sys.argv[4]
    write_check(directory / "checks" / f"{name.replace(' ', '-')}.xml", name, "" if status == "0" else "failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
