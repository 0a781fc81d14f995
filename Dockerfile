# latkit on a CPU. Build and try it:
#     docker build -t latkit . && docker run --rm latkit
# Use it on a workspace of your own:
#     docker run --rm -v "$PWD:/workspace" latkit latkit profile here/onnxruntime model.onnx
FROM python:3.11-slim

WORKDIR /latkit
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY latkit latkit
# torch without CUDA, which is much smaller; name a mirror with --build-arg TORCH_INDEX=...
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)" \
    && pip install --no-cache-dir -c constraints.txt '.[all]'

# measurements belong to nobody else: no root, and a folder of its own
RUN useradd --create-home measurer && mkdir /workspace && chown measurer /workspace
USER measurer
WORKDIR /workspace
CMD ["latkit", "demo", "/workspace/demo"]
