"""docs/openapi.yaml is OpenAPI 3.1, has the endpoints that there are, and the check of replies against it can fail."""

import os
import re

import jsonschema
import pytest

from support import contract
from support.api import Reply

try:
    import openapi_spec_validator
except ImportError:  # Debian 12 has no package of it
    openapi_spec_validator = None

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"]
CODE = re.search(r"kEndpoints = \{(.*?)\n\};", open(os.path.join(ROOT, "src", "api.cpp"), encoding="utf-8").read(), re.S)[1]
FIELDS = dict(re.findall(r"constexpr std::array (k\w+) = \{(.*?)\};", open(os.path.join(ROOT, "src", "api.cpp"), encoding="utf-8").read(), re.S))


def obj(required=(), /, **properties):
    """An object of these fields and extensions, as the specification says "fixed fields"."""
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False,
            "patternProperties": {"^x-": True}}


def named(what):
    return {"type": "object", "propertyNames": {"pattern": "^[a-zA-Z0-9._-]+$"}, "additionalProperties": what}


def or_reference(what):
    return {"if": {"required": ["$ref"]}, "then": obj(["$ref"], **{"$ref": TEXT, "summary": TEXT, "description": TEXT}), "else": what}


def ref(name):
    return {"$ref": "#/$defs/" + name}


TEXT, LIST = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
SECURITY = {"type": "array", "items": {"type": "object", "additionalProperties": LIST}}
SERVERS = {"type": "array", "items": obj(["url"], url=TEXT, description=TEXT, variables={"type": "object"})}

# The objects of https://spec.openapis.org/oas/v3.1.0 that the document uses, with all fields that they may have.
SPECIFICATION = {
    **obj(["openapi", "info", "paths"], openapi={"pattern": r"^3\.1\.\d+$"},
          info=obj(["title", "version"], title=TEXT, version=TEXT, summary=TEXT, description=TEXT, termsOfService=TEXT,
                   contact={"type": "object"}, license=obj(["name"], name=TEXT, identifier=TEXT, url=TEXT)),
          jsonSchemaDialect=TEXT, servers=SERVERS, webhooks={"type": "object"}, security=SECURITY, externalDocs={"type": "object"},
          tags={"type": "array", "uniqueItems": True, "items": obj(["name"], name=TEXT, description=TEXT, externalDocs={})},
          paths={"type": "object", "propertyNames": {"pattern": "^/"}, "additionalProperties": ref("path")},
          components=obj(schemas=named(ref("schema")), responses=named(ref("response")), parameters=named(ref("parameter")),
                         examples=named({}), requestBodies=named(ref("body")), headers=named(ref("header")),
                         securitySchemes=named(ref("scheme")), links=named({}), callbacks=named({}), pathItems=named({}))),
    "$defs": {
        "path": obj(summary=TEXT, description=TEXT, servers=SERVERS, parameters={"type": "array", "items": ref("parameter")},
                    **{method: ref("operation") for method in METHODS}),
        "operation": obj(["responses"], tags=LIST, summary=TEXT, description=TEXT, externalDocs={}, operationId=TEXT,
                         parameters={"type": "array", "uniqueItems": True, "items": ref("parameter")}, requestBody=ref("body"),
                         responses={"type": "object", "minProperties": 1, "additionalProperties": ref("response"),
                                    "propertyNames": {"pattern": "^([1-5](\\d\\d|XX)|default)$"}},
                         callbacks={}, deprecated={"type": "boolean"}, security=SECURITY, servers=SERVERS),
        "parameter": or_reference({**obj(["name", "in"], **{"in": {"enum": ["query", "header", "path", "cookie"]}}, name=TEXT,
                                         description=TEXT, required={"type": "boolean"}, deprecated={"type": "boolean"},
                                         allowEmptyValue={}, style={}, explode={}, allowReserved={}, schema=ref("schema"),
                                         example={}, examples={}, content=ref("content")),
                                   "oneOf": [{"required": ["schema"]}, {"required": ["content"]}]}),
        "header": or_reference({**obj(description=TEXT, required={"type": "boolean"}, deprecated={"type": "boolean"}, style={},
                                      explode={}, schema=ref("schema"), example={}, examples={}, content=ref("content")),
                                "oneOf": [{"required": ["schema"]}, {"required": ["content"]}]}),
        "body": or_reference(obj(["content"], description=TEXT, content=ref("content"), required={"type": "boolean"})),
        "response": or_reference(obj(["description"], description=TEXT, links={}, content=ref("content"),
                                     headers={"type": "object", "additionalProperties": ref("header")})),
        "content": {"type": "object", "propertyNames": {"pattern": "^[^/ ]+/[^/ ]+$"},
                    "additionalProperties": obj(schema=ref("schema"), example={}, examples={}, encoding={})},
        "schema": {"type": "object"},  # looked at by the schema of schemas
        "scheme": {"oneOf": [obj(["type", "name", "in"], **{"in": {"enum": ["query", "header", "cookie"]}},
                                 type={"const": "apiKey"}, name=TEXT, description=TEXT),
                             obj(["type", "scheme"], type={"const": "http"}, scheme=TEXT, bearerFormat=TEXT, description=TEXT)]},
    },
}


def nodes(node):
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(child)


def operations():
    return {(method, path): operation for path, item in contract.document()["paths"].items() for method, operation in item.items()}


def errors_of(document):
    schemas = [node["schema"] for node in nodes(document) if isinstance(node.get("schema"), dict)]
    found = [error.message for error in jsonschema.Draft202012Validator(SPECIFICATION).iter_errors(document)]
    for schema in [*schemas, *document["components"]["schemas"].values()]:
        meta = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
        found += [error.message for error in meta.iter_errors(schema)]
    return found


def errors_others_find(document):
    return [error.message for error in openapi_spec_validator.OpenAPIV31SpecValidator(document).iter_errors()]


JUDGES = [errors_of, errors_others_find] if openapi_spec_validator else [errors_of]


@pytest.mark.parametrize("errors", JUDGES)
def test_the_document_is_openapi_and_its_schemas_are_json_schemas(errors):
    assert errors(contract.document()) == []


def test_the_specification_is_a_schema_and_operations_have_names_of_their_own():
    jsonschema.Draft202012Validator.check_schema(SPECIFICATION)
    ids = [operation["operationId"] for operation in operations().values()]
    assert len(ids) == len(set(ids))


DEFECTS = [
    (("openapi",), "2.0"), (("info", "author"), "x"), (("paths", "wallet"), {}), (("paths", "/wallet", "fetch"), {}),
    (("paths", "/wallet", "get", "responses"), {}), (("paths", "/wallet", "get", "responses", "200"), {}),
]
# The others do not look into schemas.
DEFECTS_OF_SCHEMAS = [
    (("components", "schemas", "Error", "type"), "text"), (("components", "schemas", "Error", "properties", "error", "minLength"), -1),
]


@pytest.mark.parametrize("errors, path, value", [
    *((errors, *defect) for errors in JUDGES for defect in DEFECTS), *((errors_of, *defect) for defect in DEFECTS_OF_SCHEMAS),
])
def test_what_is_not_openapi_is_found(errors, path, value):
    def changed(node, path):
        return {**node, path[0]: changed(node[path[0]], path[1:]) if len(path) > 1 else value}

    assert errors(changed(contract.document(), path))


def test_every_reference_leads_somewhere_and_every_component_is_used():
    references = {node["$ref"] for node in nodes(contract.document()) if "$ref" in node}
    for reference in references:
        contract.resolve({"$ref": reference})
    components = {f"#/components/{kind}/{name}" for kind, some in contract.document()["components"].items()
                  for name in some if kind != "securitySchemes"}
    assert components == references
    schemes = {name for node in nodes(contract.document()) for demand in node.get("security", []) for name in demand}
    assert schemes == set(contract.document()["components"]["securitySchemes"])


def test_the_documents_operations_and_fields_are_those_of_the_server():
    found = re.findall(r'Api::(v\d), "([^"]+)", (get|post|del), (\{\}|k\w+)', CODE)
    assert len(found) == CODE.count("EndpointId::")
    served = {({"del": "delete"}.get(method, method), ("/api/3" if api == "v3" else "") + path): fields
              for api, path, method, fields in found}
    documented = operations()
    assert set(documented) - {("get", "/health")} == set(served)
    for key, fields in served.items():
        body = documented[key].get("requestBody")
        names = set(re.findall(r'"(\w+)"', FIELDS.get(fields, "")))
        schema = contract.resolve(body)["content"]["application/json"]["schema"] if body else {"$ref": None}
        if body:
            schema = contract.resolve(schema)
            assert set(schema["properties"]) == names, key
        else:
            assert not names, key


def test_examples_are_what_they_are_examples_of():
    examples = [node for node in nodes(contract.document()) if "example" in node]
    assert examples
    for node in examples:
        contract.assert_valid(node["example"], node["schema"])


def reply(status, body=b"{}", kind="application/json", **headers):
    return Reply(status, "", [("Content-Type", kind), *headers.items()], body)


WALLET = b'{"encryptedWallet":"w","sequence":1,"hmac":"h"}'


def test_a_reply_as_documented_passes():
    contract.check("GET", "/api/3/wallet?token=x", reply(200, WALLET, ETag='"1"'))
    contract.check("POST", "/api/3/wallet", reply(200))
    contract.check("GET", "/elsewhere", reply(299, b"anything"))


@pytest.mark.parametrize("method, path, answer", [
    ("GET", "/api/3/wallet", reply(299)),
    ("GET", "/api/3/wallet", reply(200)),
    ("GET", "/api/3/wallet", reply(200, WALLET[:-1] + b',"more":1}')),
    ("GET", "/api/3/wallet", reply(200, WALLET.replace(b"1", b"0"))),
    ("GET", "/api/3/wallet", reply(200, WALLET, ETag="1")),
    ("GET", "/api/3/wallet", reply(404, b'{"error":""}')),
    ("GET", "/api/3/wallet", reply(404, b"<html>", "text/html")),
    ("POST", "/wallet", reply(503, b'{"error":"Service Unavailable"}')),
    ("PUT", "/wallet", reply(200)),
    ("PUT", "/wallet", reply(405, b'{"error":"Method Not Allowed"}')),
], ids=["status", "no fields", "another field", "sequence 0", "header", "no text", "no JSON", "no Retry-After", "method", "no Allow"])
def test_a_reply_that_is_not_as_documented_is_found(method, path, answer):
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        contract.check(method, path, answer)
