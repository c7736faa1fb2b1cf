"""Writes a model as LiteRT (`.tflite`) for phones, in several precisions, with a report.

    dmgan export litert --model runs/demo --out runs/demo/litert --precision float32,float16,int8

Into OUT, whole or not at all:

    dmgan_PRECISION.tflite          ids, lengths, noise, condition noise of one caption → picture
    vocabulary.json, manifest.json  words; token rules, sizes, hashes, and what to make of some
                                    captions and seeds (`golden`)
    report.json                     differences and costs
"""

from dmgan_tf.command_line import import_tensorflow, run
from dmgan_tf.export.edge_options import PRECISIONS, export_parser, parsed
from dmgan_tf.inference.edge_runtimes import import_runtime


def main() -> int:
    """Exports and prints the report."""
    options = parsed(export_parser(__doc__, PRECISIONS), PRECISIONS)
    import_runtime("litert")  # for the report; known before the work
    import_tensorflow()
    from dmgan_tf.export.litert_files import export

    print(export(**options))
    print(f"LiteRT: {options['out']}")
    return 0


if __name__ == "__main__":
    run(main)
