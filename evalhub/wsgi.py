"""The WSGI entry point: `gunicorn evalhub.wsgi`."""

import ctypes
import os

from django.core.wsgi import get_wsgi_application

MMAP_THRESHOLD, BYTES = -3, 1_000_000  # M_MMAP_THRESHOLD of malloc.h


def give_memory_back() -> None:
    """Let glibc map large arrays apart, so that what a report took goes back to the system; elsewhere do nothing."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(MMAP_THRESHOLD, BYTES)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "evalhub.settings")
give_memory_back()
application = get_wsgi_application()
