"""Requests as a stranger's client makes them, from TensorFlow Serving's own messages."""

import json
import time
import urllib.error
import urllib.request

import numpy as np
import tensorflow as tf
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import predict_pb2

CAPTIONS = ["a red bird", "zzz", "blue bird with a long tail and green wings", "the bird"]
SEEDS = [1, 2, 3, -4]


def request(captions=CAPTIONS, seeds=SEEDS, signature="images", model="dmgan", **inputs):
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    inputs = {"caption": captions, "seed": np.array(seeds, np.int64)} | inputs
    for name, value in inputs.items():
        if value is not None:
            message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message


def numbers(*values, model="dmgan", **spec):
    """A request to `plain_model` to double numbers."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    if (version := spec.get("version")) is not None:
        message.model_spec.version.value = version
    if label := spec.get("label"):
        message.model_spec.version_label = label
    message.inputs["number"].CopyFrom(tf.make_tensor_proto(np.array(values, np.int64)))
    return message


def doubled(response):
    return tf.make_ndarray(response.outputs["doubled"]).tolist()


def images(response):
    return tf.make_ndarray(response.outputs["image"]).astype(int)


def post(url, content):
    """(HTTP status, JSON) of a POST."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    status, _, answer = ask(url, body)
    return status, json.loads(answer)


def ask(url, body=None, method=None, headers=None):
    """(HTTP status, headers, body) of the answer."""
    asked = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def metric(server, name, **labels):
    """The sum of a metric's samples that have these labels."""
    text = ask(f"{server.root}/metrics")[2].decode()
    samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def eventually(holds, seconds=60):
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
