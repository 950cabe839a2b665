"""PostgreSQL's estimate of how many examples of a state a dataset holds: datasets differ in their states."""

from typing import Any

from django.db import migrations

CREATE = "CREATE STATISTICS example_states (mcv) ON dataset_id, state FROM datasets_example"
DROP = "DROP STATISTICS IF EXISTS example_states"


def create(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(CREATE)


def drop(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(DROP)


class Migration(migrations.Migration):
    dependencies = [("datasets", "0010_texts_once")]
    operations = [migrations.RunPython(create, drop)]
