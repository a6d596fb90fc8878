"""docs/openapi.yaml, against which every reply is held that a test gets by support.api."""

import functools
import os

import jsonschema
import yaml

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "openapi.yaml")


@functools.lru_cache(maxsize=None)
def document():
    with open(PATH, encoding="utf-8") as file:
        return yaml.safe_load(file)


def resolve(node):
    """What a $ref stands for."""
    while "$ref" in node:
        place = document()
        for name in node["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        node = place
    return node


def assert_valid(value, schema):
    # References count from the document's root.
    whole = {"$defs": {}, "components": document()["components"], **schema}
    jsonschema.Draft202012Validator(whole).validate(value)


def documented_response(method, path, status):
    """What the document says of it. None: the path is none of the document's."""
    operations = document()["paths"].get(path.partition("?")[0])
    if operations is None:
        return None
    operation = operations.get(method.lower())
    if operation is None:  # whatever the method is
        assert status in (403, 404, 405, 413), f"{method} {path} answers {status}, and the document has no such method"
        return resolve(document()["components"]["responses"]["WrongMethod" if status == 405 else "Error"])
    assert str(status) in operation["responses"], f"{method} {path} answers {status}, which the document does not have"
    return resolve(operation["responses"][str(status)])


def check(method, path, reply):
    """The reply is as the document has it."""
    response = documented_response(method, path, reply.status)
    if response is None or method == "HEAD":
        return
    for name, header in response.get("headers", {}).items():
        header, value = resolve(header), reply.header(name)
        assert value is not None or not header.get("required"), f"{method} {path} answers {reply.status} without {name}"
        if value is not None:
            assert_valid(int(value) if header["schema"]["type"] == "integer" else value, header["schema"])
    content = response.get("content")
    if content is None:
        assert reply.body == b"", reply
        return
    kind = (reply.header("Content-Type") or "").partition(";")[0]
    assert kind in content, f"{method} {path} answers {reply.status} with {kind}"
    if kind == "application/json":
        assert_valid(reply.json, content[kind]["schema"])
