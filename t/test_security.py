"""SECURITY.md promises nothing that no test holds it to."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(t/[\w/.]+)::(\w+)`", TEXT)))
PROTECTED = re.findall(r"^## (Against .*?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path, name", NAMED, ids=[f"{path}::{name}" for path, name in NAMED])
def test_a_test_that_is_named_is_there(path, name):
    source = (ROOT / path).read_text()
    if path.endswith(".py"):
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE)
    else:
        assert re.search(rf"^(void|int) {name}\(.*\{{$", source, re.MULTILINE)
    if "/unit/" in path:
        assert f"cmocka_unit_test({name})" in source


@pytest.mark.parametrize("heading, claims", PROTECTED, ids=[heading for heading, _ in PROTECTED])
def test_every_claim_names_a_test(heading, claims):
    items = re.findall(r"^- .*?(?=^- |^$|\Z)", claims, re.MULTILINE | re.DOTALL)
    assert items
    for item in items:
        assert "::" in item, item
