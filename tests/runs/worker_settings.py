"""Settings of a worker that a test starts: the product's own, with the small program, on the test's own database."""

import json
import os

from evalhub.settings import *  # noqa: F403

RUN_PROGRAMS = json.loads(os.environ["TEST_PROGRAMS"])
MEDIA_ROOT = os.environ["TEST_MEDIA"]
