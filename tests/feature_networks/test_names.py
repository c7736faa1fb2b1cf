"""TensorFlow's names of the convolutions: one of each kind, and the odd ones."""

import pytest

from dmgan_tf.feature_networks.inception_names import (
    graph_scopes,
    old_slim_scopes,
    tf_slim_scopes,
)
from dmgan_tf.models.inception_v3 import convolutions

GRAPH = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_4a_3x3": "conv_4",
    "Mixed_5b.branch1x1": "mixed/conv",
    "Mixed_5b.branch5x5_2": "mixed/tower/conv_1",
    "Mixed_5c.branch3x3dbl_3": "mixed_1/tower_1/conv_2",
    "Mixed_5d.branch_pool": "mixed_2/tower_2/conv",
    "Mixed_6a.branch3x3": "mixed_3/conv",
    "Mixed_6a.branch3x3dbl_2": "mixed_3/tower/conv_1",
    "Mixed_6e.branch7x7dbl_5": "mixed_7/tower_1/conv_4",
    "Mixed_7a.branch3x3_2": "mixed_8/tower/conv_1",
    "Mixed_7a.branch7x7x3_4": "mixed_8/tower_1/conv_3",
    "Mixed_7b.branch3x3_2b": "mixed_9/tower/mixed/conv_1",
    "Mixed_7c.branch3x3dbl_3a": "mixed_10/tower_1/mixed/conv",
    "Mixed_7c.branch_pool": "mixed_10/tower_2/conv",
}
OLD_SLIM = {
    "Conv2d_1a_3x3": "conv0",
    "Conv2d_4a_3x3": "conv4",
    "Mixed_5b.branch5x5_2": "mixed_35x35x256a/branch5x5/Conv_1",
    "Mixed_5d.branch_pool": "mixed_35x35x288b/branch_pool/Conv",
    "Mixed_6a.branch3x3": "mixed_17x17x768a/branch3x3/Conv",
    "Mixed_6e.branch7x7dbl_5": "mixed_17x17x768e/branch7x7dbl/Conv_4",
    "Mixed_7a.branch7x7x3_4": "mixed_17x17x1280a/branch7x7x3/Conv_3",
    "Mixed_7b.branch3x3_2b": "mixed_8x8x2048a/branch3x3/Conv_2",
    "Mixed_7c.branch3x3dbl_3a": "mixed_8x8x2048b/branch3x3dbl/Conv_2",
}
TF_SLIM = {
    "Conv2d_3b_1x1": "Conv2d_3b_1x1",
    "Mixed_5b.branch5x5_2": "Mixed_5b/Branch_1/Conv2d_0b_5x5",
    "Mixed_5c.branch5x5_1": "Mixed_5c/Branch_1/Conv2d_0b_1x1",
    "Mixed_5c.branch5x5_2": "Mixed_5c/Branch_1/Conv_1_0c_5x5",
    "Mixed_5d.branch_pool": "Mixed_5d/Branch_3/Conv2d_0b_1x1",
    "Mixed_6a.branch3x3": "Mixed_6a/Branch_0/Conv2d_1a_1x1",
    "Mixed_6a.branch3x3dbl_3": "Mixed_6a/Branch_1/Conv2d_1a_1x1",
    "Mixed_6e.branch7x7_2": "Mixed_6e/Branch_1/Conv2d_0b_1x7",
    "Mixed_6e.branch7x7dbl_5": "Mixed_6e/Branch_2/Conv2d_0e_1x7",
    "Mixed_7a.branch3x3_2": "Mixed_7a/Branch_0/Conv2d_1a_3x3",
    "Mixed_7b.branch3x3_2a": "Mixed_7b/Branch_1/Conv2d_0b_1x3",
    "Mixed_7b.branch3x3_2b": "Mixed_7b/Branch_1/Conv2d_0b_3x1",
    "Mixed_7c.branch3x3_2b": "Mixed_7c/Branch_1/Conv2d_0c_3x1",
    "Mixed_7c.branch3x3dbl_3b": "Mixed_7c/Branch_2/Conv2d_0d_3x1",
}


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (graph_scopes(), GRAPH),
        (old_slim_scopes(), OLD_SLIM),
        (tf_slim_scopes(), {k: f"InceptionV3/{v}" for k, v in TF_SLIM.items()}),
    ],
    ids=["graph", "old_slim", "tf_slim"],
)
def test_every_convolution_has_its_own_name(scopes, expected):
    assert set(scopes) == {name for name, *_ in convolutions()}
    assert len(set(scopes.values())) == len(scopes)
    assert {name: scopes[name] for name in expected} == expected
