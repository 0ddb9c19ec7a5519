# docker build -t ecg12 .                                  the torch that the package index gives for this platform
# docker build -t ecg12 --build-arg TORCH_INDEX_URL=… .    torch from the wheel index of one CUDA version, or of the CPU
#
# docker run --rm -v "$PWD/data:/physionet/data" ecg12 ecg12 build-cache         every command of cli.py is there as ecg12
#
# As the Challenge runs entries, with nothing but folders mounted into /physionet; the default command predicts:
# docker run --rm -v "$PWD/model:/physionet/model" -v "$PWD/records:/physionet/test_data" \
#     -v "$PWD/out:/physionet/test_outputs" ecg12
# docker run --rm -v … ecg12 python train_model.py training_data model
# Their own driver.py and train_model.py may be copied over ours: what they import is on the path.
FROM python:3.11-slim

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
COPY commands commands
COPY ecg12 ecg12
COPY challenge challenge
RUN printf '#!/bin/sh\nexec python /app/cli.py "$@"\n' > /usr/local/bin/ecg12 && chmod +x /usr/local/bin/ecg12

# data, stores and run folders live in the mounted working folder, never in the image; what the daemon mounts there
# belongs to root, so the work is done as root unless docker run says --user "$(id -u)"
ENV PYTHONPATH=/app/challenge MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /physionet
RUN ln -s /app/challenge/*.py . && chmod 777 .
CMD ["python", "driver.py", "model", "test_data", "test_outputs"]
