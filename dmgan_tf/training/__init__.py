"""What trains: the two trainers and their optimizer."""

from dmgan_tf.training.adam import Adam
from dmgan_tf.training.damsm_trainer import DAMSMTrainer
from dmgan_tf.training.dmgan_trainer import DMGANTrainer

__all__ = ["Adam", "DAMSMTrainer", "DMGANTrainer"]
