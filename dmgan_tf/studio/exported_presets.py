"""Exports the presets that draw into `exported/`, so that their studio needs no TensorFlow.

`make studio` runs it before a wheel is made.
"""

import json
import shutil

from dmgan_tf.command_line import run
from dmgan_tf.inference import presets
from dmgan_tf.studio import folder
from dmgan_tf.whole_folder import whole_folder


def main() -> int:
    """Exports all of them: what stands there may be by earlier code."""
    for name in presets.names():
        preset, target = presets.ROOT / name, folder.EXPORTED / name
        networks = json.loads((preset / "metadata.json").read_text(encoding="utf-8"))["networks"]
        if "generator" not in networks:
            continue
        shutil.rmtree(target, ignore_errors=True)
        with whole_folder(target) as partial:
            folder.export(preset, partial)
        print(f"Exported: {target}")
    return 0


if __name__ == "__main__":
    run(main)
