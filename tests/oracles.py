"""NumPy oracles: each equation once more, in float64 and as plain loops, written from the papers.

DM-GAN is arXiv:1904.01310, AttnGAN arXiv:1711.10485. Pictures are [B, side, side, C].
Everything is slow on purpose: what can be compared with the formula by eye is the reference.
"""

import math

import numpy as np

# --- building blocks ---------------------------------------------------------------------------


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, np.float64)))


def relu(x):
    return np.maximum(x, 0.0)


def leaky_relu(x):
    return np.where(x > 0, x, 0.2 * x)


def softmax(values):
    """Softmax of a vector."""
    values = np.asarray(values, np.float64)
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()


def glu(x):
    """Gated linear unit over the last axis: the first half times σ(the second half)."""
    half = x.shape[-1] // 2
    y = np.zeros((*x.shape[:-1], half))
    for c in range(half):
        y[..., c] = x[..., c] * sigmoid(x[..., half + c])
    return y


def batch_norm_training(x, scale, offset, epsilon=1e-5):
    """(normalised x, batch mean, *unbiased* batch variance), channel by channel."""
    y = np.zeros(x.shape)
    means, variances = np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
    for c in range(x.shape[-1]):
        values = np.asarray(x[..., c], np.float64)
        count = values.size
        mean = values.sum() / count
        squares = ((values - mean) ** 2).sum()
        y[..., c] = (values - mean) / math.sqrt(squares / count + epsilon) * scale[c] + offset[c]
        means[c], variances[c] = mean, squares / (count - 1)
    return y, means, variances


def batch_norm_inference(x, scale, offset, mean, variance, epsilon=1e-5):
    return (x - mean) / np.sqrt(np.asarray(variance, np.float64) + epsilon) * scale + offset


def convolution(x, kernel, strides=1):
    """2-D convolution with a border of (k − 1) // 2 zeros; kernel [k, k, in, out]."""
    size = kernel.shape[0]
    border = (size - 1) // 2
    padded = np.pad(np.asarray(x, np.float64), ((0, 0), (border, border), (border, border), (0, 0)))
    side = (padded.shape[1] - size) // strides + 1
    y = np.zeros((len(x), side, side, kernel.shape[3]))
    for row in range(side):
        for column in range(side):
            for dy in range(size):
                for dx in range(size):
                    seen = padded[:, row * strides + dy, column * strides + dx]  # [B, in]
                    y[:, row, column] += seen @ kernel[dy, dx]
    return y


def upsample_nearest(x):
    """Every pixel becomes 2×2 pixels."""
    batch, side, _, channels = x.shape
    y = np.zeros((batch, 2 * side, 2 * side, channels))
    for row in range(2 * side):
        for column in range(2 * side):
            y[:, row, column] = x[:, row // 2, column // 2]
    return y


# --- spectral normalisation (Miyato et al., 2018, Algorithm 1) -----------------------------------


def power_iteration(kernel, u, training):
    """(u, v, σ) for kernel [kh, kw, in, out], seen as W [out, in·kh·kw] in PyTorch's order."""
    matrix = np.asarray(kernel, np.float64).transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1)
    u = np.asarray(u, np.float64)
    u = u / math.sqrt((u**2).sum())
    v = matrix.T @ u
    v = v / math.sqrt((v**2).sum())
    if training:
        u = matrix @ v
        u = u / math.sqrt((u**2).sum())
    return u, v, u @ matrix @ v


def sigma_of(kernel, u, v):
    """uᵀ W v with u, v held constant."""
    matrix = np.asarray(kernel, np.float64).transpose(3, 2, 0, 1).reshape(kernel.shape[3], -1)
    return u @ matrix @ v


# --- conditioning augmentation and L_CA (DM-GAN, Sec. 3.4) --------------------------------------


def conditioning_augmentation(sentence_feature, kernel, bias, condition_noise):
    """(c, μ, log σ²) from one dense layer with a gated linear unit."""
    both = glu(np.asarray(sentence_feature, np.float64) @ kernel + bias)
    size = both.shape[-1] // 2
    mean, log_variance = both[:, :size], both[:, size:]
    condition = np.zeros_like(mean)
    for b in range(len(mean)):
        for d in range(size):
            deviation = math.sqrt(math.exp(log_variance[b, d]))
            condition[b, d] = mean[b, d] + deviation * condition_noise[b, d]
    return condition, mean, log_variance


def kl_from_standard_normal(mean, log_variance):
    """D_KL(N(μ, σ²) ‖ N(0, I)) of each sample (Eq. 13), over the number of dimensions."""
    total = np.zeros(len(mean))
    for b, d in np.ndindex(*mean.shape):
        variance = math.exp(log_variance[b, d])
        # log(1 / σ) + (σ² + μ²) / 2 − 1/2, the divergence of two univariate normals.
        total[b] += -0.5 * math.log(variance) + (variance + mean[b, d] ** 2) / 2 - 0.5
    return total / mean.shape[1]


# --- dynamic memory (DM-GAN, Sec. 3.1 to 3.3) ----------------------------------------------------


def write_memory(words, image, weights):
    """Writing gate and memory of one sample: words [T, N_w], image [side, side, N_r] (Eq. 7, 8).

    `weights` maps word_to_gate (A), image_to_gate (B), word_to_memory and image_to_memory
    (M_w and M_r: kernel, bias) to arrays; ReLU behind M_w and M_r as in the authors' code.
    """
    pixels = np.asarray(image, np.float64).reshape(-1, image.shape[-1])
    mean = sum(pixels) / len(pixels)
    from_image = relu(mean @ weights["image_to_memory"][0] + weights["image_to_memory"][1])
    memory, gates = [], []
    for word in np.asarray(words, np.float64):
        gate = sigmoid(word @ weights["word_to_gate"] + mean @ weights["image_to_gate"])  # Eq. 7
        from_word = write_memory_ungated(word, weights)
        memory.append(from_word * gate + from_image * (1 - gate))  # Eq. 8
        gates.append(gate)
    return np.array(memory), np.array(gates)


def write_memory_ungated(word, weights):
    """m_i = M_w(w_i) of one word (Eq. 3)."""
    return relu(word @ weights["word_to_memory"][0] + weights["word_to_memory"][1])


def read_memory(memory, image, mask, project_key, project_value):
    """(output [side, side, N_r], attention [side·side, T]) of one sample (Eq. 4, 5)."""
    side = image.shape[0]
    real = [i for i in range(len(memory)) if mask[i]]
    keys = {i: project_key(memory[i]) for i in real}
    values = {i: project_value(memory[i]) for i in real}
    attention = np.zeros((side * side, len(memory)))
    output = np.zeros(image.shape)
    for j in range(side * side):
        pixel = np.asarray(image[j // side, j % side], np.float64)
        attention[j, real] = softmax([keys[i] @ pixel for i in real])  # Eq. 4
        for i in real:
            output[j // side, j % side] += attention[j, i] * values[i]  # Eq. 5
    return output, attention


def respond(image, output, kernel, bias):
    """(new image features, response gate) of one sample (Eq. 9), W over [r, o]."""
    blended, gates = np.zeros(image.shape), np.zeros((*image.shape[:2], 1))
    for row, column in np.ndindex(*image.shape[:2]):
        r, o = image[row, column], output[row, column]
        gate = sigmoid(np.concatenate([r, o]) @ kernel + bias)
        blended[row, column] = o * gate + r * (1 - gate)
        gates[row, column] = gate
    return blended, gates


# --- adversarial losses (DM-GAN, Eq. 11 and 12) ---------------------------------------------------


def cross_entropy(logits, target):
    """Binary cross-entropy of σ(logits) against 0 or 1, sample by sample."""
    losses = []
    for logit in logits:
        probability = 1.0 / (1.0 + math.exp(-float(logit)))
        losses.append(-math.log(probability if target else 1.0 - probability))
    return np.array(losses)


# --- LSTM and the text encoder (AttnGAN, Sec. 3.2) ------------------------------------------------


def lstm_step(x, hidden, carry, weights):
    """One step; `weights` = (kernel, recurrent kernel, bias, recurrent bias), gates i, f, g, o."""
    kernel, recurrent, bias, recurrent_bias = weights
    z = x @ kernel + bias + hidden @ recurrent + recurrent_bias
    units = z.shape[-1] // 4
    i, f, g, o = (z[..., k * units : (k + 1) * units] for k in range(4))
    carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(carry), carry


def lstm_over(sequence, weights):
    """Hidden states of one sequence [T, C] from zero states."""
    units = weights[1].shape[0]
    hidden, carry, states = np.zeros(units), np.zeros(units), []
    for x in sequence:
        hidden, carry = lstm_step(x, hidden, carry, weights)
        states.append(hidden)
    return states


def encode_captions(ids, lengths, embedding, forward, backward):
    """(word features, sentence feature), caption by caption, each without its padding."""
    words = np.zeros((*ids.shape, 2 * forward[1].shape[0]))
    sentences = np.zeros((len(ids), words.shape[-1]))
    for b, length in enumerate(lengths):
        caption = [np.asarray(embedding[word], np.float64) for word in ids[b, :length]]
        ahead = lstm_over(caption, forward)
        back = lstm_over(caption[::-1], backward)[::-1]
        for t in range(length):
            words[b, t] = np.concatenate([ahead[t], back[t]])
        sentences[b] = np.concatenate([ahead[-1], back[0]])
    return words, sentences


# --- DAMSM (AttnGAN, Eq. 7 to 13) -----------------------------------------------------------------


def cosine(a, b):
    return float(a @ b / (math.sqrt(a @ a) * math.sqrt(b @ b)))


def damsm_attention(regions, words, gamma_attention):
    """Attention [T, N] of one caption without padding over one picture's regions (Eq. 7 to 9)."""
    over_words = np.array([softmax([word @ region for word in words]) for region in regions])
    return np.array([softmax(gamma_attention * over_words[:, t]) for t in range(len(words))])


def damsm_similarity(regions, words, gamma_attention, gamma_words):
    """log Σ_w exp(γ2 · cos(context_w, w)) of one caption and one picture (Eq. 10, no 1/γ2)."""
    total = 0.0
    for word, attention in zip(
        words, damsm_attention(regions, words, gamma_attention), strict=True
    ):
        context = sum(a * region for a, region in zip(attention, regions, strict=True))
        total += math.exp(gamma_words * cosine(context, word))
    return math.log(total)


def matching_losses(similarity, gamma, class_ids=None):
    """(picture → caption, caption → picture) losses of similarity [captions, pictures] (Eq. 11)."""
    size = len(similarity)

    def competes(a, b):
        return a == b or class_ids is None or class_ids[a] != class_ids[b]

    to_caption = to_picture = 0.0
    for k in range(size):
        right = math.exp(gamma * similarity[k, k])
        captions = sum(math.exp(gamma * similarity[s, k]) for s in range(size) if competes(s, k))
        pictures = sum(math.exp(gamma * similarity[k, i]) for i in range(size) if competes(k, i))
        to_caption -= math.log(right / captions) / size
        to_picture -= math.log(right / pictures) / size
    return to_caption, to_picture
