# Two images from one file: `--target web` (no torch; also the clock and one-off commands) and `--target gpu`
# (adds torch, transformers and peft for the workers: the cpu one computes BERTScore and counts a model's tokens).

FROM node:24-slim AS assets
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY static static
RUN npm run build

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
# A new volume takes over the owner of the folder it is mounted on.
RUN useradd --create-home --uid 10001 evalhub \
  && mkdir -p /data /home/evalhub/.cache/huggingface && chown -R evalhub /data /home/evalhub/.cache
ENV EVALHUB_VAR=/data

FROM base AS web
COPY requirements/web.txt requirements/web.txt
RUN pip install -r requirements/web.txt
COPY manage.py LICENSE ./
COPY evalhub evalhub
COPY runkit runkit
COPY training training
COPY inference inference
COPY templates templates
COPY --from=assets /app/static static
RUN EVALHUB_VAR=/tmp/build EVALHUB_STATIC_ROOT=/app/collected python manage.py collectstatic --noinput \
  && rm -rf /tmp/build
ENV EVALHUB_STATIC_ROOT=/app/collected
USER evalhub
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz')"]
CMD ["gunicorn", "evalhub.wsgi", "--config", "python:evalhub.gunicorn"]

FROM web AS gpu
USER root
COPY requirements/ml.txt requirements/ml.txt
RUN pip install -r requirements/ml.txt
USER evalhub
HEALTHCHECK NONE
CMD ["celery", "-A", "evalhub", "worker", "--queues", "gpu", "--pool", "solo", "--without-gossip", "--without-mingle"]
