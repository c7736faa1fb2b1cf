"""What pytorch-fid and torch-fidelity compute: `python public_implementations.py FEATURES.npz`.

Takes `first`, `second` (features of one size, as many rows each) and `logits`, and prints JSON.
"""

import json
import sys

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric


def main():
    """Prints every score by its name."""
    with np.load(sys.argv[1]) as file:
        first, second, logits = (file[name] for name in ("first", "second", "logits"))
    tensors = torch.from_numpy(first), torch.from_numpy(second)
    moments = [m for x in (first, second) for m in (x.mean(axis=0), np.cov(x, rowvar=False))]
    statistics = [fid_features_to_statistics(x) for x in tensors]
    # Whole sets, since their subsets come from another random generator than ours.
    subsets = {"kid_subsets": 2, "kid_subset_size": len(first)}
    scores = {
        "pytorch-fid": calculate_frechet_distance(*moments),
        **fid_statistics_to_metric(*statistics, verbose=False),
        **isc_features_to_metric(torch.from_numpy(logits), splits=10, shuffle=False),
        **kid_features_to_metric(*tensors, verbose=False, **subsets),
    }
    print(json.dumps({name: float(score) for name, score in scores.items()}))


if __name__ == "__main__":
    main()
