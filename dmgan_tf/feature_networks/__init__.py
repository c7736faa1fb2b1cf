"""The named networks through which FID, KID and Inception Score look at pictures."""

from dmgan_tf.feature_networks.network import NAMES, FeatureNetwork, load_feature_network

__all__ = ["NAMES", "FeatureNetwork", "load_feature_network"]
