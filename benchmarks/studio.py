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


# In milliseconds, measured in the page, since Playwright looks only now and then: from a click to
# the picture, and from the beginning of a visit to the first one.
NEXT_PICTURE = """seed => new Promise(resolve => {
    const drawn = new MutationObserver(() => {
        if (!document.querySelector(`[aria-label^="Picture of seed ${seed};"]`)) return;
        drawn.disconnect();
        resolve(performance.now() - started);
    });
    drawn.observe(document.getElementById("drawn"), {childList: true, subtree: true});
    document.getElementById("seed").value = seed;
    const started = performance.now();
    document.getElementById("draw").click();
})"""
FIRST_PICTURE = """() => new Promise(resolve => {
    const look = () => document.querySelector("figure img") && resolve(performance.now());
    new MutationObserver(look).observe(document, {childList: true, subtree: true});
    look();
})"""


def visit(browser, address):
    """Bytes and milliseconds to the first picture; milliseconds to a next one."""
    context = browser.new_context()
    context.set_default_timeout(300_000)
    page = context.new_page()
    sizes = []
    page.on("response", lambda r: sizes.append(int(r.headers.get("content-length", 0))))
    page.goto(f"{address}#sentence={SENTENCE}&seed=0&pictures=1", wait_until="commit")
    first = page.evaluate(FIRST_PICTURE)
    size = sum(sizes)
    page.get_by_role("status").get_by_text("Drawn").wait_for()
    following = [page.evaluate(NEXT_PICTURE, seed) for seed in range(1, 11)]
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
        f"| {arguments.model} | {ready:.1f} | {size / 2**20:.2f} | {first / 1000:.2f} | "
        f"{following:.0f} |"
    )


if __name__ == "__main__":
    main()
