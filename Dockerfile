# adam-vs-gd with CUDA: docker build --tag adam-vs-gd . && docker run --gpus all --volume "$PWD:/work" adam-vs-gd sweep SPEC.toml
#
# CUDA's libraries come with jax[cuda13] from PyPI; of the host it takes NVIDIA's driver and container toolkit. Without
# --gpus it runs on the CPU. EXTRA=cuda is for drivers of CUDA 12, and EXTRA= for an image of 1 GB without CUDA.

FROM python:3.12-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends g++ git && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm
ARG EXTRA=cuda13
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(ls /wheels/*.whl)${EXTRA:+[$EXTRA]}" && \
    useradd --create-home --uid 1000 sweeper
USER sweeper
WORKDIR /work
ENTRYPOINT ["adam-vs-gd"]
CMD ["--help"]
