"""A frozen version stays as it is: the database refuses, whoever asks."""

import pytest
from django.db import IntegrityError, connection, transaction

from evalhub.datasets import actions
from evalhub.datasets.models import Version, VersionExample
from tests.datasets.test_leakage import filled, page

TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


@pytest.fixture
def version(dataset, admin, file) -> Version:
    return actions.freeze_version(filled(dataset, admin, file, page(1), page(2)), by=admin)


@pytest.mark.parametrize("change", [{"note": "other"}, {"counts": {}}, {"settings": {}}, {"data_hash": "0" * 64}])
def test_a_version_cannot_be_changed(version, change) -> None:
    with pytest.raises(IntegrityError, match="A frozen version never changes"), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(**change)
    for name, value in change.items():
        setattr(version, name, value)
    with pytest.raises(IntegrityError, match="A frozen version never changes"), transaction.atomic():
        version.save()


@pytest.mark.parametrize("change", [{"split": "test"}, {"values": {}}, {"position": 9}, {"revision_number": 5}])
def test_its_entries_cannot_be_changed(version, change) -> None:
    entry = version.entries.first()
    assert entry
    with pytest.raises(IntegrityError, match="A frozen version never changes"), transaction.atomic():
        VersionExample.objects.filter(pk=entry.pk).update(**change)
    entry.refresh_from_db()
    assert {name: getattr(entry, name) for name in change} != change


def test_a_later_migration_has_not_dropped_the_triggers(db) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TRIGGERS[connection.vendor])
        names = {name for (name,) in cursor.fetchall()}
    assert {"datasets_version_stays", "datasets_versionexample_stays"} <= names
