"""A frozen version stays as it is: the database itself refuses to change its rows (docs/decisions/leakage-gate.md).

SQLite drops a table's triggers when a later migration rebuilds the table: such a migration puts them up again with
`put_up`, and tests/datasets/test_immutable.py fails where one forgot to.
"""

from typing import Any

from django.db import migrations

TABLES = ("datasets_version", "datasets_versionexample")
SENTENCE = "A frozen version never changes."
FUNCTION = (
    "CREATE OR REPLACE FUNCTION evalhub_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"RAISE EXCEPTION '{SENTENCE}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)


def put_up(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute(FUNCTION)
    for table in TABLES:
        editor.execute(_trigger(table, editor.connection.vendor))


def take_down(apps: Any, editor: Any) -> None:
    postgresql = editor.connection.vendor == "postgresql"
    for table in TABLES:
        editor.execute(f"DROP TRIGGER {table}_stays" + (f" ON {table}" if postgresql else ""))
    if postgresql:
        editor.execute("DROP FUNCTION evalhub_version_stays()")


def _trigger(table: str, vendor: str) -> str:
    if vendor == "postgresql":
        return (
            f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION evalhub_version_stays()"
        )
    return f"CREATE TRIGGER {table}_stays BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{SENTENCE}'); END"


class Migration(migrations.Migration):
    dependencies = [("datasets", "0006_curation")]
    operations = [migrations.RunPython(put_up, take_down)]
