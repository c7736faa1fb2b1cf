"""Package `dmgan_tf`; configs, presets, exports and server travel inside the wheel."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "dmgan_tf/__init__.py").read_text())[1]


def long_description():
    """The README for a package index, which shows no pictures or files of the checkout."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^]]*\]\((?!https?:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^]]*)\]\((?!https?:|#)[^)]*\)", r"\1", text)


CLIENT = ["grpcio>=1.66,<2", "protobuf>=5.28.3"]
SERVING = [
    *CLIENT,
    "grpcio-health-checking>=1.66,<2",
    "prometheus-client>=0.21,<1",
    "starlette>=0.41,<2",
    "tensorflow-serving-api>=2.19,<2.23",
    "uvicorn>=0.32,<1",
]
TRACING = ["opentelemetry-sdk>=1.30,<2", "opentelemetry-exporter-otlp-proto-http>=1.30,<2"]
ONNX = ["onnx>=1.17,<2", "onnxruntime>=1.20,<2", "tf2onnx>=1.17,<2"]
OPENVINO = ["openvino>=2025.4,<2027"]
LITERT = ["ai-edge-litert>=2.3,<3", "ai-edge-quantizer>=0.10,<1"]
FUZZ = ["atheris>=3,<4", "schemathesis>=4.20,<5"]
HUB = ["huggingface_hub>=1.0,<3", "safetensors>=0.5,<1"]
KAGGLE = ["kagglehub>=1.0,<2", "safetensors>=0.5,<1"]
EMOJI = ["emoji>=2.14,<3"]
PARQUET = ["pyarrow>=18,<27"]
REMOTE = ["fsspec>=2025.5,<2027"]
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material>=9.6,<10", "mkdocstrings[python]>=1.0,<2"]

setup(
    name="dmgan_tf",
    version=VERSION,
    description="DM-GAN for TensorFlow: pictures from sentences with a dynamic memory",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11,<3.14",
    packages=[*find_packages(include=["dmgan_tf", "dmgan_tf.*"]), "dmgan_tf.configs"],
    package_dir={"dmgan_tf.configs": "configs"},
    package_data={
        "dmgan_tf.configs": ["*.yaml"],
        "dmgan_tf": ["presets/*/*", "serving/*.proto", "serving/*.binpb", "serving/*.yaml"],
        "dmgan_tf.studio": [
            *("page/*", "package.json", "package-lock.json", "build.mjs"),
            # Of `make studio`, where it was run. The page takes less than 15 MiB of the wheel.
            *("runtime/*", "exported/toy_birds_128/*"),
        ],
    },
    entry_points={"console_scripts": ["dmgan = dmgan_tf.__main__:main"]},
    install_requires=[
        "tensorflow>=2.20,<2.23",
        "keras>=3.12,<4",
        "filelock>=3.21.2,<5",
        "h5py>=3.11,<4",
        "matplotlib>=3.9,<4",
        "numpy>=2.0,<3",
        "pillow>=11,<14",
        "pyyaml>=6,<7",
        "requests>=2.32,<3",
        "scipy>=1.14,<2",
        "tensorboard>=2.20,<2.23",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.20,<2.23"],
        "emoji": EMOJI,
        "parquet": PARQUET,
        "remote": REMOTE,
        "hub": HUB,
        "kaggle": KAGGLE,
        "serving": SERVING,
        "tracing": TRACING,
        "client": CLIENT,
        "onnx": ONNX,
        "docs": DOCS,
        "openvino": OPENVINO,
        "litert": LITERT,
        "fuzz": FUZZ,
        "dev": [
            *SERVING,
            *TRACING,
            *ONNX,
            *OPENVINO,
            *LITERT,
            *EMOJI,
            *PARQUET,
            *REMOTE,
            *HUB,
            *KAGGLE,
            *DOCS,
            "build>=1.2",
            "ipykernel>=6.29",
            "flask-cors>=5",  # of moto's server, as flask
            "flask>=3",
            "jsonschema>=4.23",
            "kubernetes-validate>=1.34",
            "moto[s3]>=5.1.5",
            "mypy>=1.13",
            "nbclient>=0.10",
            "ovmsclient>=2022.3",
            "playwright>=1.55",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ruff>=0.8",
            "s3fs>=2025.5,<2027",
            "tritonclient[grpc,http]>=2.41",
            "trustme>=1.2",
            "types-PyYAML",
            "types-requests",
            "types-tqdm",
        ],
    },
)
