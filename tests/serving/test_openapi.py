"""The description of the REST interface: it is what the routes are, and what they answer."""

import json

import jsonschema
import pytest
from requests_and_answers import CAPTIONS, SEEDS, ask

from dmgan_tf.serving import kserve_rest
from dmgan_tf.serving.rest import RestInterface, openapi

ROWS = {"instances": [{"caption": c, "seed": s} for c, s in zip(CAPTIONS, SEEDS, strict=True)]}
TENSORS = {
    "inputs": [
        {"name": "caption", "shape": [4], "datatype": "BYTES", "data": CAPTIONS},
        {"name": "seed", "shape": [4], "datatype": "INT64", "data": SEEDS},
    ]
}
V1, V2 = "/v1/models/{name}", "/v2/models/{name}"


def test_description_has_the_routes_and_no_others():
    interface = RestInterface(None, 1, 1.0)
    routes = [*interface.routes(), *kserve_rest.routes(interface)]
    served = {
        (route.path, method.lower())
        for route in routes
        for method in route.methods
        if method != "HEAD"
    }
    served -= {(path, "get") for path, _ in served if path.endswith(":predict")}  # a 405
    described = {
        (path, method)
        for path, item in openapi()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == served


def resolved(part):
    """A part of the description with what it refers to in the place of references."""
    if isinstance(part, list):
        return [resolved(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        found = openapi()
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(found)
    return {key: resolved(value) for key, value in part.items()}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (V1, None, 200),
        (V1 + "/versions/{version}", None, 200),
        (V1 + "/labels/{label}", None, 400),
        (V1 + "/metadata", None, 200),
        (V1 + ":predict", ROWS, 200),
        (V1 + ":predict", {"inputs": {"caption": CAPTIONS, "seed": SEEDS}}, 200),
        (V1 + ":predict", {"instances": []}, 400),
        ("/v1/models/{unknown}", None, 404),
        ("/v2", None, 200),
        ("/v2/health/live", None, 200),
        ("/v2/health/ready", None, 200),
        (V2, None, 200),
        (V2 + "/ready", None, 200),
        (V2 + "/versions/{version}/ready", None, 200),
        (V2 + "/infer", TENSORS, 200),
        (V2 + "/infer", {"inputs": 3}, 400),
        ("/openapi.json", None, 200),
    ],
)
def test_answers_are_as_described(server, path, body, status):
    parameters = {"name": "dmgan", "version": "7", "label": "stable", "unknown": "x"}
    url = server.root + path.format(**parameters)
    code, headers, answer = ask(url, body and json.dumps(body).encode())
    assert code == status
    item = openapi()["paths"][path.replace("{unknown}", "{name}")]
    response = resolved(item["post" if body else "get"]["responses"])[str(status)]
    schema = response["content"][headers["Content-Type"]]["schema"]
    jsonschema.Draft202012Validator(schema).validate(json.loads(answer))


def test_examples_are_requests_that_are_answered(server):
    for path, name in ((V1 + ":predict", "PredictRequest"), (V2 + "/infer", "InferRequest")):
        schema = resolved(openapi()["components"]["schemas"][name])
        for example in schema["examples"]:
            jsonschema.Draft202012Validator(schema).validate(example)
            url = server.root + path.format(name="dmgan")
            assert ask(url, json.dumps(example).encode())[0] == 200
