"""Settings of the test suite: the product's own, in a folder of its own. EVALHUB_DATABASE_URL chooses the database."""

import os
import tempfile

os.environ.setdefault("EVALHUB_VAR", tempfile.mkdtemp(prefix="evalhub-test-"))

from evalhub.settings import *  # noqa: F403  (after the folder is chosen)

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405  (a file, as in the product: threads share no memory database)
    DATABASES["default"]["TEST"] = {"NAME": str(VAR / "test.sqlite3")}  # noqa: F405
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405  (whitenoise warns about a missing folder)
