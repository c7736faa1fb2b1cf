"""Models that PyTorch files are to be written of, and those that have none."""

import json

import pytest
from authors_files import CONFIG, WORDS, with_generator

from dmgan_tf import build
from dmgan_tf.conversion import export
from dmgan_tf.errors import UserError
from dmgan_tf.inference.model_directory import save_model
from dmgan_tf.models.image_encoder import CompactEncoder


def test_compact_image_encoder_is_left_out_with_a_warning(tmp_path, caplog):
    image_encoder = CompactEncoder(6, (2, 3, 4, 5, 6), 16, name="image_encoder")
    image_encoder.build()
    text_encoder = build.text_encoder(CONFIG, len(WORDS))
    made = {"text_encoder": text_encoder, "image_encoder": image_encoder}
    save_model(tmp_path / "model", made, None, "", feature_size=6)
    written = export(tmp_path / "model", tmp_path / "back")
    assert [path.name for path in written] == ["text_encoder.pth"]
    assert "Left out the image_encoder" in caplog.text


@pytest.mark.parametrize(
    ("networks", "told"), [({}, "holds no networks"), ({"../a": {}}, "no network '../a'")]
)
def test_model_of_other_networks_is_refused(tmp_path, networks, told):
    content = {"format": 1, "networks": networks}
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=told):
        export(tmp_path, tmp_path / "back")


def test_generator_that_the_authors_lack_is_refused(tmp_path):
    generator = build.generator(with_generator(response_gate=False))
    save_model(tmp_path / "model", {"generator": generator}, None, "", feature_size=6)
    with pytest.raises(UserError, match="no generator without response_gate"):
        export(tmp_path / "model", tmp_path / "back")
    assert not (tmp_path / "back").exists()
