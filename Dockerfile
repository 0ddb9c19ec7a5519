# docker build -t ecg12 .                                  the torch that the package index gives for this platform
# docker build -t ecg12 --build-arg TORCH_INDEX_URL=… .    torch from the wheel index of one CUDA version, or of the CPU
# docker run --rm -v "$PWD/data:/work/data" ecg12 build-cache
FROM python:3.11-slim

RUN useradd --create-home ecg && mkdir /work && chown ecg /work
WORKDIR /app

# dependencies first: they change less often than the code
COPY requirements.txt ./
ARG TORCH_INDEX_URL=""
RUN if [ -n "$TORCH_INDEX_URL" ]; then \
        pip install --no-cache-dir --index-url "$TORCH_INDEX_URL" "$(grep '^torch==' requirements.txt)"; \
    fi \
    && pip install --no-cache-dir -r requirements.txt

COPY environment.yml pyproject.toml README.md LICENSE cli.py ./
COPY ecg ecg
COPY cache cache
COPY pipeline pipeline

# data, stores and run folders live in the mounted working folder, never in the image
USER ecg
WORKDIR /work
ENTRYPOINT ["python", "/app/cli.py"]
CMD ["--help"]
