"""A small report of scores, as `evaluate` writes it."""

REPORT = {
    "images": 100,
    "seed": 0,
    "judge": "ad0f42acf63e41a4",
    "fid_damsm": 12.25,
    "fid_damsm_real": 1.5,
    "r_precision": 0.75,
    "r_precision_std": 0.025,
    "protocol": {"fid_damsm": {"network": "damsm"}, "r_precision": {"candidates": 100}},
}
