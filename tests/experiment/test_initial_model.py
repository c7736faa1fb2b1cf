"""The model that training begins with: what is taken of it, and what is refused."""

import numpy as np
import pytest
from command_lines import TINY

from dmgan_tf import build, experiment
from dmgan_tf.config_file import load_config
from dmgan_tf.errors import UserError
from dmgan_tf.experiment.gan import take_weights
from dmgan_tf.inference.model_directory import load_vocabulary, save_model


def config(*settings):
    return load_config(TINY[1], [TINY[3], "generator.stages=3", *settings])


def write_model(folder, config, vocabulary, *networks):
    """A model of untrained encoders, and the networks given."""
    encoders = build.text_encoder(config, len(vocabulary)), build.image_encoder(config)
    named = {network.name: network for network in (*networks, *encoders)}
    save_model(folder, named, vocabulary, config.to_yaml())
    return folder


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    """A model of three stages with a discriminator, as a converted one may have them."""
    vocabulary = build.vocabulary(config(), build.pictures(config(), "train"))
    networks = build.generator(config()), build.discriminators(config())[1]
    folder = tmp_path_factory.mktemp("initial") / "model"
    return write_model(folder, config(), vocabulary, *networks)


def refused(strategy, folder, *settings):
    """The line that dry run and run both end with; neither leaves a folder."""
    (line,) = experiment.lacking_for_training(config(*settings), folder, False)
    with pytest.raises(UserError) as caught:
        experiment.train(config(*settings), folder, strategy)
    assert str(caught.value) == line
    assert not folder.exists()
    return line


@pytest.mark.parametrize(
    ("setting", "network", "told"),
    [
        ("generator.stages=2", "generator", "`generator.stages` is 2, there 3"),
        ("generator.noise_size=9", "generator", "`generator.noise_size` is 9, there 4"),
        (
            "discriminator.base_width=3",
            "discriminator_16",
            "`discriminator.base_width` is 3, there 2",
        ),
    ],
)
def test_model_of_another_shape_is_told_with_both_and_the_key(
    setting, network, told, initial, strategy, tmp_path
):
    line = refused(strategy, tmp_path / "run", f"training.initial_model={initial}", setting)
    assert line == (
        f"`training.initial_model`: the {network} of {initial} does not fit the config's: {told}. "
        "Set these keys to the model's values, or name another model."
    )


def test_model_of_sentences_of_another_size_is_told_beside_other_encoders(
    initial, strategy, tmp_path
):
    wider = "text_encoder.feature_size=10"
    encoders = write_model(tmp_path / "encoders", config(wider), load_vocabulary(initial))
    settings = f"training.initial_model={initial}", f"damsm.directory={encoders}", wider
    line = refused(strategy, tmp_path / "run", *settings)
    assert "does not fit the config's: `text_encoder.feature_size` is not the same there. " in line


@pytest.mark.parametrize("stages", [3, 4])
def test_stages_that_it_has_and_its_discriminators_are_taken(stages, initial):
    wanted = config(f"generator.stages={stages}")
    generators = [build.generator(wanted), build.generator(wanted, "average_generator")]
    judges = build.discriminators(wanted)
    assert take_weights(str(initial), generators, judges) == ["generator", "discriminator_16"]
    twins = [build.generator(config()), build.discriminators(config())[1]]
    for twin, name in zip(twins, ("generator", "discriminator_16"), strict=True):
        twin.load_weights(initial / f"{name}.weights.h5")
    for twin, takers in zip(twins, (generators, judges[1:2]), strict=True):
        for taker in takers:
            taken = {v.path.partition("/")[2]: v.numpy() for v in taker.weights}
            for variable in twin.weights:
                place = variable.path.partition("/")[2]
                np.testing.assert_array_equal(taken[place], variable.numpy(), place)
