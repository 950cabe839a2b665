"""An undo marks what it restored, so that the change before can be undone next; a change tells what it passed over."""

from typing import Any

from django.db import migrations, models
from django.db.models import F


def mark(apps: Any, _: Any) -> None:
    """Changes that were undone whole. Of one undone in part nobody knows which, so all of it counts as done."""
    entries = apps.get_model("datasets", "ChangedExample").objects
    entries.filter(change__undone_at__isnull=False, change__restored=F("change__count")).update(restored=True)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0008_lighter_revisions")]
    operations = [
        migrations.AddField(
            "change",
            "passed_over",
            models.PositiveIntegerField(
                db_default=0, default=0, help_text="How many the filter no longer left when their turn came."
            ),
        ),
        migrations.AddField(
            "changedexample",
            "restored",
            models.BooleanField(db_default=False, default=False, help_text="Undone: as if it had not happened."),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
