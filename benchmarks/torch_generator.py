"""The generator in PyTorch, as a function of its state dict: `--reference torch`.

Written for the benchmark alone, from the paper and the authors' names of the weights. Inference
mode, one caption's words without padding.
"""

import torch
from torch.nn import functional


def to_torch(state):
    """Arrays by the authors' names → tensors."""
    return {name: torch.from_numpy(array.copy()) for name, array in state.items()}


@torch.inference_mode()
def draw(state, words, sentence, noise, condition_noise, doublings, residual_blocks):
    """The pictures of all stages, [B, 3, side, side].

    Args: words: [B, T, N_w]; the next three [B, …]. doublings: upsamplings of the first stage.
        residual_blocks: of the others.
    """
    gated = functional.glu(_linear(state, "ca_net.fc", sentence), dim=1)
    mean, log_variance = gated.chunk(2, dim=1)
    condition = mean + condition_noise * torch.exp(0.5 * log_variance)
    x = functional.linear(torch.cat([condition, noise], 1), state["h_net1.fc.0.weight"])
    x = functional.glu(_norm(state, "h_net1.fc.1", x), dim=1)
    x = x.reshape(len(x), -1, 4, 4)
    for i in range(1, doublings + 1):
        x = _upsample(state, f"h_net1.upsample{i}", x)
    images = [_picture(state, 1, x)]
    stage = 2
    while f"img_net{stage}.img.0.weight" in state:
        name = f"h_net{stage}"
        x = _remember(state, name, words, x)
        for i in range(residual_blocks):
            x = x + _residual(state, f"{name}.residual.{i}.block", x)
        x = _upsample(state, f"{name}.upsample", x)
        images.append(_picture(state, stage, x))
        stage += 1
    return images


def _remember(state, name, words, x):
    """The dynamic memory; its answer joined with itself."""
    batch, channels, side, _ = x.shape
    pooled = x.mean(dim=(2, 3))  # [B, N_r]
    gate = torch.sigmoid(
        functional.linear(words, state[f"{name}.A.weight"])
        + functional.linear(pooled, state[f"{name}.B.weight"])[:, None]
    )
    from_words = _project(state, f"{name}.M_w.0", words)
    from_image = _project(state, f"{name}.M_r.0", pooled[:, None])
    memory = from_words * gate + from_image * (1 - gate)
    key, value = (_project(state, f"{name}.{part}.0", memory) for part in ("key", "value"))
    pixels = x.reshape(batch, channels, side * side)
    attention = torch.softmax(key @ pixels, dim=1)  # [B, T, side²]
    read = (value.transpose(1, 2) @ attention).reshape(x.shape)
    gate = functional.conv2d(
        torch.cat([x, read], 1),
        state[f"{name}.response_gate.0.weight"],
        state[f"{name}.response_gate.0.bias"],
    )
    gate = torch.sigmoid(gate)
    blended = read * gate + x * (1 - gate)
    return torch.cat([blended, blended], 1)


def _linear(state, name, x):
    return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _project(state, name, x):
    """1×1 convolution and ReLU over the last axis."""
    weight = state[f"{name}.weight"].flatten(1)
    return functional.relu(functional.linear(x, weight, state[f"{name}.bias"]))


def _norm(state, name, x):
    names = ("running_mean", "running_var", "weight", "bias")
    return functional.batch_norm(x, *(state[f"{name}.{n}"] for n in names), eps=1e-5)


def _convolve(state, name, x):
    return functional.conv2d(x, state[f"{name}.weight"], padding=1)


def _upsample(state, name, x):
    x = _convolve(state, f"{name}.1", functional.interpolate(x, scale_factor=2, mode="nearest"))
    return functional.glu(_norm(state, f"{name}.2", x), dim=1)


def _residual(state, name, x):
    x = functional.glu(_norm(state, f"{name}.1", _convolve(state, f"{name}.0", x)), dim=1)
    return _norm(state, f"{name}.4", _convolve(state, f"{name}.3", x))


def _picture(state, stage, x):
    return torch.tanh(_convolve(state, f"img_net{stage}.img.0", x))
