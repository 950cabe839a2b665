"""gunicorn's settings in a container: `gunicorn evalhub.wsgi --config python:evalhub.gunicorn`."""

import os

bind = os.environ.get("EVALHUB_BIND", "0.0.0.0:8000")
worker_class = "gthread"
workers = int(os.environ.get("EVALHUB_WEB_PROCESSES", "2"))
threads = int(os.environ.get("EVALHUB_WEB_THREADS", "8"))
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 (heartbeats belong in memory)
graceful_timeout = 20
accesslog = "-"
