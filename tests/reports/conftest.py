"""Hypothesis without a deadline: a busy machine is not a wrong number."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
