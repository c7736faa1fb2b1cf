# Training and every other command line; serving/Dockerfile is the server's.
#
#     docker build -t dmgan .                                   on CPUs
#     docker build -t dmgan:gpu --build-arg EXTRAS=gpu .        on NVIDIA GPUs (docker run --gpus all)
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" \
#         dmgan train --config toy_birds.yaml --run-dir runs/birds --resume
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=
WORKDIR /source
RUN python -m venv /opt/dmgan
COPY setup.py pyproject.toml constraints.txt README.md LICENSE ./
COPY configs configs
COPY dmgan_tf dmgan_tf
RUN /opt/dmgan/bin/pip install --no-cache-dir --disable-pip-version-check \
    -c constraints.txt ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}
COPY --from=build /opt/dmgan /opt/dmgan
ENV PATH=/opt/dmgan/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /work
USER 65532:65532
HEALTHCHECK NONE
ENTRYPOINT ["dmgan"]
CMD ["--help"]
