"""Bytes and seconds to the first picture of the studio, and seconds to the next, in Chromium.

    python benchmarks/studio.py --model toy_birds

Prints a row of a table in Markdown: medians of several visits, each with an empty cache.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

SENTENCE = "a red bird with blue wings"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def visit(browser, address):
    """Bytes and seconds to the first picture; seconds to each of the next ones."""
    context = browser.new_context()
    context.set_default_timeout(300_000)
    page = context.new_page()
    sizes = []
    page.on("response", lambda r: sizes.append(int(r.headers.get("content-length", 0))))
    started = time.perf_counter()
    page.goto(f"{address}#sentence={SENTENCE}&seed=0&pictures=1", wait_until="commit")
    page.get_by_role("img").wait_for()
    first, size = time.perf_counter() - started, sum(sizes)
    following = []
    for seed in range(1, 11):
        page.get_by_role("spinbutton", name="Seed").fill(str(seed))
        started = time.perf_counter()
        page.get_by_role("button", name="Draw").click()
        page.get_by_role("group", name=f"Picture of seed {seed};").wait_for()
        following.append(time.perf_counter() - started)
    context.close()
    return size, first, statistics.median(following)


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="toy_birds")
    parser.add_argument("--visits", type=int, default=5)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "dmgan_tf.studio", "--model", arguments.model]
    started = time.perf_counter()
    server = subprocess.Popen(
        [*command, "--serve", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        address = re.fullmatch(r"Studio: (\S+)\n", server.stdout.readline())[1]
        ready = time.perf_counter() - started
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=OPTIONS
            )
            found = [visit(browser, address) for _ in range(arguments.visits)]
    finally:
        server.terminate()
        server.wait()
    size, first, following = map(statistics.median, zip(*found, strict=True))
    print("| model | server, s | MiB to the first picture | first picture, s | next picture, ms |")
    print("|---|---|---|---|---|")
    print(
        f"| {arguments.model} | {ready:.1f} | {size / 2**20:.2f} | {first:.2f} | "
        f"{1000 * following:.0f} |"
    )


if __name__ == "__main__":
    main()
