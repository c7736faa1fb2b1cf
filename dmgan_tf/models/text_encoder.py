"""Sentences to word features and a sentence feature: one bidirectional LSTM."""

import keras
import tensorflow as tf

from dmgan_tf.layers.lstm_cell import LSTMCell


@keras.saving.register_keras_serializable("dmgan_tf")
class TextEncoder(keras.Model):
    """Bidirectional LSTM over word ids (AttnGAN, Sec. 3.2; DM-GAN, Sec. 3.5).

    The backward direction is an ordinary LSTM over the words of each caption reversed by an
    index, so no mask enters a recurrent layer: it exports to two plain LSTM nodes.
    Runs in float32 under every policy; it is a sliver of the work.

    Args:
        vocabulary_size: int > 1, ids 0 … vocabulary_size − 1; id 0 = end and padding.
        embedding_size: int > 0.
        feature_size: even int > 0, N_w; half of it each way.
        dropout: float in [0, 1), on the embeddings while training.
    Differs from the authors' code: embeddings start in ±1 (theirs ±0.1), with which a small encoder
    learns faster.
    Inputs: ids: int32 [B, T]; lengths: int32 [B], 1 ≤ length ≤ T; dropout_noise: float
        [B, T, embedding_size], uniform in [0, 1), or None for no dropout. It comes with the sample,
        so that neither replicas nor a restart change what is dropped.
    Returns: (word_features [B, T, N_w], zero at padding; sentence_feature [B, N_w]).
    Raises: ValueError: when `feature_size` is odd, or `dropout` out of its range.
    """

    def __init__(
        self, vocabulary_size, embedding_size=300, feature_size=256, dropout=0.5, **kwargs
    ):
        super().__init__(**{"dtype": "float32", "name": "text_encoder"} | kwargs)
        if feature_size % 2:
            raise ValueError(
                "`feature_size` is shared by two directions, so it must be even. "
                f"Received: feature_size={feature_size}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must lie in [0, 1). Received: dropout={dropout}.")
        self.vocabulary_size = vocabulary_size
        self.embedding_size = embedding_size
        self.feature_size = feature_size
        self.dropout = dropout
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_size,
            embeddings_initializer=keras.initializers.RandomUniform(-1.0, 1.0),
            dtype="float32",
            name="embedding",
        )
        self.forward_lstm = self._lstm("forward_lstm")
        self.backward_lstm = self._lstm("backward_lstm")

    def _lstm(self, name):
        cell = LSTMCell(self.feature_size // 2, dtype="float32")
        return keras.layers.RNN(cell, return_sequences=True, dtype="float32", name=name)

    def build(self, ids_shape=None, lengths_shape=None):
        self.embedding.build((None, None))
        for lstm in (self.forward_lstm, self.backward_lstm):
            lstm.build((None, None, self.embedding_size))
        self.built = True

    def call(self, ids, lengths, dropout_noise=None):
        positions = tf.range(tf.shape(ids)[1])[tf.newaxis, :]  # [1, T]
        last = tf.cast(lengths, tf.int32)[:, tf.newaxis] - 1  # [B, 1]
        mask = positions <= last
        reverse = tf.where(mask, last - positions, positions)  # [B, T], its own inverse
        embedded = self.embedding(ids)
        if dropout_noise is not None:
            keep = tf.cast(dropout_noise >= self.dropout, embedded.dtype)
            embedded = embedded * keep / (1.0 - self.dropout)
        forward = self.forward_lstm(embedded)  # [B, T, N_w / 2]
        backward = self.backward_lstm(tf.gather(embedded, reverse, batch_dims=1))
        backward = tf.gather(backward, reverse, batch_dims=1)
        words = tf.concat([forward, backward], axis=-1) * tf.cast(mask, forward.dtype)[..., None]
        end = tf.gather(forward, last, batch_dims=1)[:, 0]
        return words, tf.concat([end, backward[:, 0]], axis=-1)

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "embedding_size": self.embedding_size,
            "feature_size": self.feature_size,
            "dropout": self.dropout,
        }
