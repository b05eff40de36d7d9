# AcousticSense with its weights: nothing is fetched when it starts. docs/operate.md says how to build and run it.

FROM python:3.11-slim AS packages
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv \
    && python -m venv --without-pip /opt/acousticsense
COPY .ci/requirements.lock /tmp/requirements.lock
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/acousticsense/bin/python --compile-bytecode \
    --require-hashes -r /tmp/requirements.lock

FROM python:3.11-slim
LABEL org.opencontainers.image.title="AcousticSense" \
    org.opencontainers.image.description="A song in, sixteen genre probabilities out" \
    org.opencontainers.image.licenses="MIT AND CC-BY-SA-4.0"
RUN useradd --uid 10001 --create-home acousticsense
COPY --from=packages /opt/acousticsense /opt/acousticsense
WORKDIR /app
# What changes least comes first.
COPY models models
COPY examples examples
COPY LICENSE inference.py app_gradio.py ./
COPY acousticsense acousticsense
RUN ["/opt/acousticsense/bin/python", "-m", "compileall", "-q", "."]
# The user owns nothing in the image: what is written goes to /tmp and to the cache below its home.
ENV PATH=/opt/acousticsense/bin:$PATH \
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
