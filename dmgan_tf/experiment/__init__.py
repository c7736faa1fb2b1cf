"""Whole runs from a config: the encoders, then DM-GAN; each can be stopped and resumed.

encoders.py    pretraining of the DAMSM encoders, and which ones a run takes
gan.py         training of DM-GAN
prior.py       what a generator's prior learns from
run.py         what both have in common: restore, train, watch, save
readiness.py   what a run lacks, before it begins
watchers.py    what people look at meanwhile
"""

from dmgan_tf.experiment.encoders import pretrain
from dmgan_tf.experiment.gan import train
from dmgan_tf.experiment.readiness import lacking_for_pretraining, lacking_for_training

__all__ = ["lacking_for_pretraining", "lacking_for_training", "pretrain", "train"]
