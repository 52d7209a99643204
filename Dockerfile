# factflow in a container: for Kubernetes (docs/cluster.md), or any machine that runs images.
#
#   docker build -t factflow .                      # computes on the CPU
#   docker build -t factflow:cuda --target cuda .   # and on NVIDIA cards: CUDA 13, linux/amd64
#   docker run --rm --read-only --tmpfs /tmp --user "$(id -u):$(id -g)" -v "$PWD/runs:/runs" factflow study demo
#
# Processes run as user 1000 unless told otherwise, and write to /runs (studies), /cache (models of the Hub) and /tmp
# alone, so the root file system may be read-only.
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /factflow
COPY package.json package-lock.json .npmrc LICENSE ./
# No package needs its install script: ONNX Runtime's would fetch CUDA libraries.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY app app
COPY data data
COPY models models
RUN npm run build \
  && npm prune --omit=dev --ignore-scripts \
  && chmod +x dist/cli/main.js \
  # ONNX Runtime comes for all platforms.
  && cd node_modules/onnxruntime-node/bin/napi-v6 && rm -rf darwin win32 \
  && cd linux && find . -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -rf {} +

FROM ${NODE_IMAGE} AS cpu
COPY --from=build /factflow/package.json /factflow/LICENSE /factflow/
COPY --from=build /factflow/node_modules /factflow/node_modules
COPY --from=build /factflow/dist /factflow/dist
COPY --from=build /factflow/models /factflow/models
COPY --from=build /factflow/data/atlas.jsonl /factflow/data/
RUN ln -s /factflow/dist/cli/main.js /usr/local/bin/factflow \
  && mkdir -p /runs /cache && chown 1000:1000 /runs /cache
ENV NODE_ENV=production HOME=/tmp HF_HOME=/cache
WORKDIR /
USER 1000:1000
ENTRYPOINT ["factflow"]
CMD ["--help"]

# ONNX Runtime's provider for CUDA, which npm does not bring, and NVIDIA's libraries that it needs, from Python's wheels.
FROM ${NODE_IMAGE} AS cuda-libraries
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip
COPY --from=build /factflow/node_modules/onnxruntime-node/package.json /tmp/
RUN python3 -m pip install --no-cache-dir --target /wheels \
    "onnxruntime-gpu[cuda,cudnn]==$(node -p "require('/tmp/package.json').version")"
RUN mkdir -p /provider /cuda \
  && mv /wheels/onnxruntime/capi/libonnxruntime_providers_shared.so \
    /wheels/onnxruntime/capi/libonnxruntime_providers_cuda.so /provider/ \
  && find /wheels/nvidia -path '*/lib/*.so.*' -exec mv -t /cuda {} +

FROM cpu AS cuda
COPY --from=cuda-libraries /cuda /usr/local/lib/cuda
COPY --from=cuda-libraries /provider /factflow/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/
# What NVIDIA's container toolkit brings of the driver; the rest is in LD_LIBRARY_PATH.
ENV LD_LIBRARY_PATH=/usr/local/lib/cuda NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM cpu
