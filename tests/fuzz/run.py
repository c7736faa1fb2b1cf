"""Coverage-guided fuzzing of the readers of strangers' files and requests, by `atheris`.

    python tests/fuzz/run.py [TARGET …] [--seconds 60] [--out runs/fuzz]

Each target has a process of its own. What it finds stands in OUT/TARGET/findings, a file each, and
`run.py TARGET --again FILE` shows what it does; what it has learnt stays in OUT/TARGET/corpus.
"""

import argparse
import contextlib
import hashlib
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dmgan_tf", "tarfile", "zipfile", "csv"]):
    import seeds
    import targets

_MEMORY_BYTES = 2**27  # that a target may take beside what it has imported
_DISK_BYTES = 2**31
_MOST_SECONDS = 10  # for one input
_MOST_BYTES = 2**14  # of one input


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(targets.TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--again", type=Path, metavar="FILE", help="the only input of a target")
    arguments = parser.parse_args()
    chosen = arguments.targets or list(targets.TARGETS)
    if unknown := set(chosen) - set(targets.TARGETS):
        parser.error(f"there is no target {sorted(unknown)[0]!r}")
    if arguments.again and len(chosen) != 1:
        parser.error("--again FILE needs one TARGET.")
    if len(chosen) == 1:
        _fuzz(chosen[0], arguments)
    seconds = str(arguments.seconds)
    codes = [
        subprocess.run(
            [sys.executable, __file__, name, "--seconds", seconds, "--out", arguments.out],
            check=False,
        ).returncode
        for name in chosen
    ]
    findings = [str(path) for name in chosen for path in _findings(arguments.out / name).iterdir()]
    print("Findings:", *(findings or ["none"]), sep="\n    ")
    return int(any(codes) or bool(findings))


def _findings(folder):
    return folder / "findings"


def _fuzz(name, arguments):
    """Runs a target to the end of its time; doesn't return."""
    target, out = targets.TARGETS[name], arguments.out / name
    corpus, findings = out / "corpus", _findings(out)
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in getattr(seeds, name)():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))

    # A disk in memory, where there is one with what archives must leave free.
    shared = Path("/dev/shm")
    in_memory = shared.is_dir() and shutil.disk_usage(shared).free > _DISK_BYTES

    def one(content):
        with (
            tempfile.TemporaryDirectory(dir=shared if in_memory else None) as folder,
            contextlib.suppress(*targets.REFUSALS),
        ):
            target(content, Path(folder))

    atheris.Setup(
        [
            name,
            str(arguments.again or corpus),
            f"-max_total_time={arguments.seconds}",
            f"-timeout={_MOST_SECONDS}",
            f"-max_len={_MOST_BYTES}",
            f"-artifact_prefix={findings}/",
            "-rss_limit_mb=0",  # the limit above is closer
            "-print_final_stats=1",
            "-verbosity=0",
        ],
        one,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
