"""evalhub: import, curate, train, generate, rate, decide. Five rooms along one loop."""

from evalhub.celery import app as celery_app

__all__ = ["celery_app"]
