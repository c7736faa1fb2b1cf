"""Peak memory and processor time of `prepare-data webdataset`'s plan: `python benchmarks/plan.py`.

Every share plans the whole, so this decides how large a data set may be.
"""

import argparse
import io
import json
import tarfile
import tempfile
import time
from pathlib import Path

from PIL import Image


def main():
    """Writes samples of one caption of twelve words, plans them, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=20_000)
    count = parser.parse_args().records
    from dmgan_tf.preparation.plan import plan
    from dmgan_tf.preparation.sources import find

    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples"
        samples.mkdir()
        _write(samples / "00000.tar", count)
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of imports
        before, started = _memory("VmRSS"), time.process_time()
        planned = plan(find("webdataset", samples, None, Path(folder) / "work"), "webdataset", None)
        seconds = time.process_time() - started
        size = _memory("VmHWM") - before
        assert len(planned.entries) == count
    microseconds = 1e6 * seconds / count
    print(f"{count:,} samples: {size / count:.0f} bytes, {microseconds:.0f} µs of processor time")


def _write(path, count):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "JPEG")
    with tarfile.open(path, "w") as tar:
        for i in range(count):
            caption = f"a red bird number {i} with black wings on a green tree today"
            values = {"key": f"{i:09d}", "similarity": 0.3, "LANGUAGE": "en"}
            for suffix, content in (
                ("jpg", buffer.getvalue()),
                ("txt", caption.encode()),
                ("json", json.dumps(values).encode()),
            ):
                member = tarfile.TarInfo(f"{i:09d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def _memory(name):
    """Bytes of this process, as Linux tells them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
