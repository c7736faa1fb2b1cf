"""An extension of griffe: docstrings on the site as they stand in the sources.

They are written to be read as text: after the first paragraph, lines keep their places.
"""

import griffe


class AsWritten(griffe.Extension):
    """Puts everything after a docstring's first paragraph into a block of text."""

    def on_instance(self, *, obj, **_):
        """Of every module, class, function and attribute that is read."""
        if obj.docstring:
            first, _, rest = obj.docstring.value.partition("\n\n")
            obj.docstring.value = f"{first}\n\n```text\n{rest}\n```" if rest else first
