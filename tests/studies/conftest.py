"""An open study of two arms over six pages, rated by both experts."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import Version
from evalhub.studies import actions
from evalhub.studies.blinding import BlindItem
from evalhub.studies.models import Study
from evalhub.studies.rating import Stored
from tests.studies.ground import arms_of, frozen_version

MODELS = ("Quokka-Zero", "Numbat-Prime", "Bilby-Ultra", "Potoroo-Max")
Maker = Callable[..., Study]


@pytest.fixture
def version(project: Project, admin: User) -> Version:
    return frozen_version(project, admin)


@pytest.fixture
def make_study(project: Project, admin: User, expert: User, second_expert: User) -> Maker:
    """A draft study; `n_arms` and `n_items` size it, everything else goes to create_study."""

    def make(*, n_arms: int = 2, n_items: int = 6, name: str = "Headlines, first round", **kwargs: Any) -> Study:
        version = frozen_version(project, admin, items=n_items, name=f"Pages {project.datasets.count() + 1}")
        arms = arms_of(version, admin, *(f"{m} {project.models.count()}" for m in MODELS[:n_arms]))
        design = {"raters": [expert, second_expert], "guidelines": "Read the page first."} | kwargs
        return actions.create_study(project, name=name, by=admin, arms=arms, **design)

    return make


@pytest.fixture
def study(make_study: Maker, admin: User) -> Study:
    return actions.open_study(make_study(), by=admin)


def full(item: BlindItem, value: int = 7) -> dict[str, int]:
    """The same score in every cell."""
    return {f"{c.key}-{a.letter}": value for c in item.criteria for a in item.answers}


def rate(study: Study, user: User, item: BlindItem, *, value: int = 7, **kwargs: Any) -> Stored:
    return actions.submit_rating(
        study, user=user, token=uuid.UUID(item.token), key=kwargs.pop("key", uuid.uuid4()),
        scores=kwargs.pop("scores", full(item, value)), **kwargs,
    )  # fmt: skip


def take(study: Study, user: User) -> BlindItem:
    item = actions.claim_next(study, user=user)
    assert isinstance(item, BlindItem), item
    return item
