"""Deep attentional multimodal similarity: how well pictures and captions match (AttnGAN, Sec. 3.2).

Equation numbers are those of AttnGAN (arXiv:1711.10485). All functions see the whole global
batch; negatives are its other samples, but for those of the same class.
"""

import tensorflow as tf

_EPSILON = 1e-8


def _norm(x):
    # A padded word is exactly zero, where the gradient of a plain norm is NaN.
    return tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(x), axis=-1), 1e-30))


def _cosine(a, b):
    """Cosine of the last axis; the product of norms is kept from below."""
    norms = _norm(a) * _norm(b)
    return tf.reduce_sum(a * b, axis=-1) / tf.maximum(norms, _EPSILON)


def word_weights(region_features, word_features, word_mask, gamma_attention):
    """exp(γ1 · softmax over words): the numerators of AttnGAN Eq. 9.

    Args: as `word_similarity`. Returns: float32 [I, N, S, T]; unspecified at padded words.
    """
    captions, words = tf.shape(word_mask)[0], tf.shape(word_mask)[1]
    flat = tf.reshape(word_features, [-1, word_features.shape[-1]])  # [S·T, C]
    similarity = tf.matmul(region_features, flat, transpose_b=True)  # AttnGAN Eq. 7, [I, N, S·T]
    shape = [tf.shape(similarity)[0], tf.shape(similarity)[1], captions, words]
    similarity = tf.where(word_mask, tf.reshape(similarity, shape), similarity.dtype.min)
    over_words = tf.nn.softmax(similarity, axis=-1)  # AttnGAN Eq. 8
    # Between 0 and 1, so the exponential needs no shift by the largest.
    return tf.exp(gamma_attention * over_words)


def word_similarity(region_features, word_features, word_mask, gamma_attention, gamma_words):
    """Similarity of every caption to every picture by words: log Σ_w exp(γ2·cos) (AttnGAN Eq. 10).

    Args:
        region_features: float [I, N, C], I pictures. word_features: float [S, T, C], S captions.
        word_mask: bool [S, T], True = real word. gamma_attention, gamma_words: γ1, γ2.
    Returns: float32 [S, I].
    Follows the authors' code: the exponent 1/γ2 of Eq. 10 is left out.
    """
    weights = word_weights(region_features, word_features, word_mask, gamma_attention)
    pictures, regions, captions, words = tf.unstack(tf.shape(weights))
    weights = tf.reshape(weights, [pictures, regions, captions * words])
    # [I, S·T, C]; AttnGAN Eq. 9 would only change its length, which the cosine doesn't see.
    context = tf.matmul(weights, region_features, transpose_a=True)
    context = tf.reshape(context, [pictures, captions, words, word_features.shape[-1]])
    cosine = _cosine(context, word_features)  # [I, S, T]
    exponent = tf.where(word_mask, gamma_words * cosine, cosine.dtype.min)
    return tf.transpose(tf.reduce_logsumexp(exponent, axis=-1))


def sentence_similarity(image_codes, sentence_features):
    """Cosine of every sentence feature [S, C] and every image code [I, C] → float32 [S, I]."""
    return _cosine(sentence_features[:, tf.newaxis], image_codes[tf.newaxis])


def matching_loss(similarity, gamma, class_ids=None):
    """Cross-entropy of finding a picture's caption, and a caption's picture (AttnGAN Eq. 11, 12).

    Args:
        similarity: float [B, B], captions by pictures; the diagonal holds the pairs.
        gamma: float, γ3, the sharpness. class_ids: int [B]; other samples of one's own class are
            no negatives. None: all others are.
    Returns: (caption_loss, image_loss): float32 scalars, picture → caption and caption → picture.
    """
    logits = gamma * similarity
    if class_ids is not None:
        same_class = class_ids[:, tf.newaxis] == class_ids[tf.newaxis, :]
        others = tf.logical_not(tf.eye(tf.shape(logits)[0], dtype=tf.bool))
        logits = tf.where(same_class & others, logits.dtype.min, logits)
    right = tf.linalg.diag_part(logits)
    caption_loss = tf.reduce_mean(tf.reduce_logsumexp(logits, axis=0) - right)
    image_loss = tf.reduce_mean(tf.reduce_logsumexp(logits, axis=1) - right)
    return caption_loss, image_loss


def damsm_losses(image_features, text_features, word_mask, class_ids, gammas):
    """Sentence and word losses, each both ways (AttnGAN Eq. 13).

    Args:
        image_features: (region_features [B, N, C], image_codes [B, C]).
        text_features: (word_features [B, T, C], sentence_features [B, C]).
        word_mask: bool [B, T]. class_ids: int [B] or None.
        gammas: (γ1, γ2, γ3).
    Returns: (sentence_loss, word_loss): float32 scalars, the two ways added.
    """
    regions, codes = (tf.cast(x, tf.float32) for x in image_features)
    words, sentences = (tf.cast(x, tf.float32) for x in text_features)
    gamma_attention, gamma_words, gamma_matching = gammas
    by_words = word_similarity(regions, words, word_mask, gamma_attention, gamma_words)
    by_sentence = sentence_similarity(codes, sentences)
    sentence_loss = tf.add_n(matching_loss(by_sentence, gamma_matching, class_ids))
    word_loss = tf.add_n(matching_loss(by_words, gamma_matching, class_ids))
    return sentence_loss, word_loss
