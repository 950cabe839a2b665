"""Settings of the test suite: the product's own, in a folder of its own. EVALHUB_DATABASE_URL chooses the database."""

import os
import tempfile
from pathlib import Path


def own_folder() -> Path:
    """A folder that no other test process uses: the workers of pytest-xdist inherit one, and take a part of it each."""
    folder = Path(os.environ.get("EVALHUB_VAR") or tempfile.mkdtemp(prefix="evalhub-test-"))
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return folder / worker if worker and folder.name != worker else folder


os.environ["EVALHUB_VAR"] = str(own_folder())

from evalhub.settings import *  # noqa: E402, F403  (after the folder is chosen)

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405  (a file, as in the product: threads share no memory database)
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405  (whitenoise warns about a missing folder)
