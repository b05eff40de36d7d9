# AcousticSense with its weights: nothing is fetched when it starts. docs/operate.md says how to build and run it.
# For NVIDIA GPUs: docker build --build-arg TORCH=cuda

FROM python:3.11-slim AS packages
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv \
    && python -m venv --without-pip /opt/acousticsense
COPY .ci/requirements.lock .ci/install-cpu-torch /tmp/
ARG TORCH=cpu
ARG ACOUSTICSENSE_TORCH_INDEX
ENV UV_NO_CACHE=1 UV_PYTHON=/opt/acousticsense/bin/python
WORKDIR /tmp
RUN lock=requirements.lock \
    && case "$TORCH" in cpu | cuda) ;; *) echo "TORCH is '$TORCH'. Set it to cpu or cuda." && exit 1 ;; esac \
    && if [ "$TORCH" = cpu ] && bash install-cpu-torch /opt/uv/bin/uv "$UV_PYTHON" "$lock" rest.lock; then lock=rest.lock; fi \
    && /opt/uv/bin/uv pip install --compile-bytecode --require-hashes -r "$lock" --no-deps

FROM python:3.11-slim
LABEL org.opencontainers.image.title="AcousticSense" \
    org.opencontainers.image.description="A song in, sixteen genre probabilities out" \
    org.opencontainers.image.licenses="MIT AND ISC AND CC-BY-NC-SA-4.0 AND CC-BY-SA-3.0 AND GPL-2.0-or-later"
# A volume on the cache takes over its mode, so that any user may write there.
RUN useradd --uid 10001 --create-home acousticsense \
    && install --directory --mode 1777 /home/acousticsense/.cache /home/acousticsense/.cache/acousticsense
COPY --from=packages /opt/acousticsense /opt/acousticsense
WORKDIR /app
# What changes least comes first.
COPY models models
COPY examples examples
COPY LICENSE inference.py app_gradio.py ./
COPY acousticsense acousticsense
RUN ["/opt/acousticsense/bin/python", "-m", "compileall", "-q", "."]
# The user owns nothing in the image: what is written goes to /tmp and to the cache below its home. Any other user id will
# do, too: libraries ask for the user's name, which an id without a line in passwd has not.
ENV PATH=/opt/acousticsense/bin:$PATH \
    HOME=/home/acousticsense \
    LOGNAME=acousticsense \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_TEMP_DIR=/tmp/gradio \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/readyz' % (os.environ.get('ACOUSTICSENSE_PORT') or os.environ.get('PORT') or 8000), timeout=4)"]
ENTRYPOINT ["python", "/app/app_gradio.py"]
