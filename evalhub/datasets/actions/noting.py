"""What the actions of this room share: a line in the audit log."""

from typing import Any

from evalhub.accounts.models import AuditEvent, User
from evalhub.datasets.models import Dataset


def noted(dataset: Dataset, by: User, verb: str, target: str = "", **details: Any) -> None:
    AuditEvent.objects.create(
        project_id=dataset.project_id, actor=by, verb=verb, target=target or f"dataset {dataset.slug}", details=details
    )
