"""A hook of MkDocs: the site has the layout of the repository, so that links hold in both.

Its pages are the documents of docs/ and those below; every file of the repository that a page links
to goes with it.
"""

import re
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "serving/README.md")
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def on_files(files, config):
    """Files of the theme, pages by their places in the repository, and what pages link to."""
    theme = [file for file in files if file.src_dir != config.docs_dir]
    pages = [ROOT / name for name in PAGES] + sorted(ROOT.glob("docs/*.md"))
    linked = {
        path
        for page in pages
        for link in _LINK.findall(page.read_text(encoding="utf-8"))
        if (path := (page.parent / link).resolve()).is_file() and path.is_relative_to(ROOT)
    }
    styles = [path for name in config.extra_css if (path := ROOT / name).is_file()]
    ours = [
        File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
        for path in [*pages, *sorted(linked.difference(pages)), *styles]
    ]
    return Files([*theme, *ours])
