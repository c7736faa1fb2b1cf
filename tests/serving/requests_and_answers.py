"""Requests as a stranger's client makes them, from TensorFlow Serving's own messages."""

import json
import urllib.error
import urllib.request

import numpy as np
import tensorflow as tf
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


def images(response):
    return tf.make_ndarray(response.outputs["image"]).astype(int)


def post(url, content):
    """(HTTP status, JSON) of a POST."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
