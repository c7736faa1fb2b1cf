"""The named networks through which FID, KID and Inception Score look at pictures."""

from dmgan_tf.feature_networks.network import NAMES, FeatureNetwork, load_feature_network
from dmgan_tf.feature_networks.weights_file import cache_folder

__all__ = ["NAMES", "FeatureNetwork", "cache_folder", "load_feature_network"]
