"""The Celery application: queues `cpu` and `gpu`, messages that carry ids only."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evalhub.settings")

app = Celery("evalhub")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["evalhub.jobs", "evalhub.datasets", "evalhub.runs"])


@worker_shutting_down.connect
def hear(**told: Any) -> None:
    """A solo worker in the middle of a job hears that it is to stop from here alone."""
    from evalhub.upkeep import leaving  # noqa: PLC0415 (Django's settings are not ready when this file is read)

    leaving.set()
