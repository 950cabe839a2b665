"""An imported text is written once: a first revision gets its texts when its example leaves them.

SQLite drops a table's triggers when a later migration rebuilds the table: such a migration puts this one up again with
`put_up`, and tests/datasets/test_revisions.py fails where one forgot to.
"""

from typing import Any

from django.db import migrations, models

TEXTS = ("key", "instruction", "input", "output", "system", "category", "source", "language", "wanted_split")
LISTS = ("history", "tags")
METHODS = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
PACKED = ("instruction", "input", "output", "system")


def _keep(vendor: str) -> str:
    """The statement that gives a revision the texts that its example is about to lose."""
    lists = {name: f"json(OLD.{name})" if vendor == "sqlite" else f"OLD.{name}" for name in LISTS}
    cells = {**{name: f'OLD."{name}"' for name in TEXTS}, **lists}
    pairs = ", ".join(f"'{name}', {cell}" for name, cell in cells.items())
    made = "json_object" if vendor == "sqlite" else "jsonb_build_object"
    return (  # made of names of columns
        f'UPDATE datasets_revision SET "values" = {made}({pairs}), fingerprint = OLD.fingerprint '  # noqa: S608  (said above)
        'WHERE example_id = OLD.id AND number = OLD.revision_number AND "values" IS NULL'
    )


def put_up(apps: Any, editor: Any) -> None:
    vendor = editor.connection.vendor
    if vendor == "sqlite":
        editor.execute(
            "CREATE TRIGGER example_leaves_texts BEFORE UPDATE OF revision_number ON datasets_example "
            f"WHEN OLD.revision_number <> NEW.revision_number BEGIN {_keep(vendor)}; END"
        )
        return
    editor.execute(
        "CREATE OR REPLACE FUNCTION evalhub_example_leaves_texts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{_keep(vendor)}; RETURN NEW; END $$"
    )
    editor.execute(
        "CREATE TRIGGER example_leaves_texts BEFORE UPDATE ON datasets_example FOR EACH ROW "
        "WHEN (OLD.revision_number <> NEW.revision_number) EXECUTE FUNCTION evalhub_example_leaves_texts()"
    )


def take_down(apps: Any, editor: Any) -> None:
    postgresql = editor.connection.vendor == "postgresql"
    editor.execute("DROP TRIGGER example_leaves_texts" + (" ON datasets_example" if postgresql else ""))
    if postgresql:
        editor.execute("DROP FUNCTION evalhub_example_leaves_texts()")


def pack(method: str) -> Any:
    """Where PostgreSQL knows LZ4 (version 14, and built with it); what is stored already stays as it is."""

    def change(apps: Any, editor: Any) -> None:
        if editor.connection.vendor != "postgresql":
            return
        with editor.connection.cursor() as cursor:
            cursor.execute(METHODS)
            if cursor.fetchone() == (True,):
                columns = ", ".join(f'ALTER COLUMN "{name}" SET COMPRESSION {method}' for name in PACKED)
                cursor.execute(f"ALTER TABLE datasets_example {columns}")

    return change


class Migration(migrations.Migration):
    dependencies = [("datasets", "0009_undo_in_steps")]
    operations = [
        migrations.RemoveIndex("revision", "revision_by_fingerprint"),
        migrations.AlterField(
            "revision",
            "values",
            models.JSONField(help_text="Null while the example itself has them.", null=True),
        ),
        migrations.AlterField(
            "revision",
            "fingerprint",
            models.CharField(blank=True, help_text="As Example.fingerprint, if values are here.", max_length=64),
        ),
        migrations.AddIndex(
            "revision",
            models.Index(
                condition=models.Q(("fingerprint", ""), _negated=True),
                fields=["fingerprint"],
                name="revision_by_fingerprint",
            ),
        ),
        migrations.RunPython(put_up, take_down),
        migrations.RunPython(pack("lz4"), pack("default")),
    ]
