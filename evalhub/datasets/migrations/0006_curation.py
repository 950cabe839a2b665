"""Curation: approvers, changes that can be undone, leases, comments, saved views; an index for every order of the
table, and one over the words of the texts (docs/decisions/curation.md). SQLite without FTS5 goes without the latter.
"""

from typing import Any

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

TEXTS = ("instruction", "input", "output", "key", "source")
CONCAT = " || ' ' || ".join(f"left({name}, 60000)" for name in TEXTS)
POSTGRESQL = (
    f"CREATE INDEX example_words ON datasets_example USING gin (to_tsvector('simple'::regconfig, {CONCAT})) "
    "WHERE searchable",
    f"CREATE STATISTICS example_words_counts ON (to_tsvector('simple'::regconfig, {CONCAT})) FROM datasets_example",
    "CREATE INDEX example_tags ON datasets_example USING gin (tags jsonb_path_ops) WHERE tags <> '[]'::jsonb",
)
NEW, OLD = (", ".join(f"{row}.{name}" for name in ("id", *TEXTS)) for row in ("new", "old"))
COLUMNS = ", ".join(TEXTS)
PUT = f"INSERT INTO example_words(rowid, {COLUMNS}) SELECT {NEW} WHERE new.searchable;"
TAKE = f"INSERT INTO example_words(example_words, rowid, {COLUMNS}) SELECT 'delete', {OLD} WHERE old.searchable;"
SQLITE = (
    f"CREATE VIRTUAL TABLE example_words USING fts5({COLUMNS}, content='datasets_example', content_rowid='id', "
    "tokenize='unicode61 remove_diacritics 0')",
    f"CREATE TRIGGER example_words_new AFTER INSERT ON datasets_example BEGIN {PUT} END",
    f"CREATE TRIGGER example_words_gone AFTER DELETE ON datasets_example BEGIN {TAKE} END",
    f"CREATE TRIGGER example_words_other AFTER UPDATE OF {COLUMNS}, searchable ON datasets_example "
    f"BEGIN {TAKE} {PUT} END",
)


def index_texts(apps: Any, editor: Any) -> None:
    """The index of words, empty: examples come in as not searchable and are taken in by a worker."""
    if editor.connection.vendor == "sqlite" and not _has_fts5(editor.connection):
        return
    for statement in POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(statement)


def _has_fts5(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'")
        return cursor.fetchone() is not None


def forget_index(apps: Any, editor: Any) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP STATISTICS IF EXISTS example_words_counts")
        editor.execute("DROP INDEX IF EXISTS example_words, example_tags")
        return
    for name in ("new", "gone", "other"):
        editor.execute(f"DROP TRIGGER IF EXISTS example_words_{name}")
    editor.execute("DROP TABLE IF EXISTS example_words")


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0005_checks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Change",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("verb", models.CharField(max_length=20)),
                (
                    "value",
                    models.CharField(
                        blank=True, help_text="The tag, category or split that was given.", max_length=120
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("query", models.TextField(blank=True, help_text="The filter that chose the examples, if one did.")),
                (
                    "count",
                    models.PositiveIntegerField(default=0, help_text="How many examples were different afterwards."),
                ),
                (
                    "at",
                    models.DateTimeField(
                        help_text="Also `updated_at` of each example, until somebody changes it again."
                    ),
                ),
                ("undone_at", models.DateTimeField(blank=True, null=True)),
                ("restored", models.PositiveIntegerField(default=0)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ChangedExample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("before", models.JSONField(help_text="Field → its value before.")),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.TextField(max_length=4000)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=80)),
                ("query", models.TextField(help_text="The filter and order, as they stand in the address.")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.RemoveIndex(
            model_name="example",
            name="datasets_ex_dataset_df2a69_idx",
        ),
        migrations.RemoveIndex(
            model_name="example",
            name="datasets_ex_dataset_c3b8d5_idx",
        ),
        migrations.AddField(
            model_name="dataset",
            name="second_approval",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="An example is approved once two different people have approved it.",
            ),
        ),
        migrations.AddField(
            model_name="example",
            name="first_approver",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="Who approved it; still proposed where a second person has to.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="example",
            name="second_approver",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="example",
            name="output_length",
            field=models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.text.Length("output"),
                output_field=models.IntegerField(),
            ),
        ),
        migrations.AddField(
            model_name="example",
            name="searchable",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether the text index knows it (searching.py); else it is read.",
            ),
        ),
        migrations.AlterField(
            model_name="example",
            name="dataset",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="examples",
                to="datasets.dataset",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                fields=["dataset", "id"],
                include=("output_length", "updated_at", "state", "category", "wanted_split", "language"),
                name="example_by_id",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "state", "id"], name="example_by_state"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "category", "id"], name="example_by_category"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "source", "id"], name="example_by_source"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "language", "id"], name="example_by_language"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(fields=["dataset", "wanted_split", "id"], name="example_by_split"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                fields=["dataset", "output_length", "id"],
                include=("updated_at", "state", "category", "wanted_split", "language"),
                name="example_by_length",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                fields=["dataset", "updated_at", "id"],
                include=("output_length", "state", "category", "wanted_split", "language"),
                name="example_by_change",
            ),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(condition=models.Q(("batch", None)), fields=["dataset", "id"], name="example_by_hand"),
        ),
        migrations.AddIndex(
            model_name="example",
            index=models.Index(
                condition=models.Q(("searchable", False)), fields=["dataset", "id"], name="example_unindexed"
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_approver", models.F("second_approver")), _negated=True),
                name="example_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="example",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("second_approver", None),
                    models.Q(("first_approver__isnull", False), ("state", "approved")),
                    _connector="OR",
                ),
                name="example_second_after_first",
            ),
        ),
        migrations.AddField(
            model_name="change",
            name="by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="change",
            name="dataset",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="changes",
                to="datasets.dataset",
            ),
        ),
        migrations.AddField(
            model_name="change",
            name="undone_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="changedexample",
            name="change",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="examples",
                to="datasets.change",
            ),
        ),
        migrations.AddField(
            model_name="changedexample",
            name="example",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="datasets.example"
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="comment",
            name="example",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="comments", to="datasets.example"
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="example",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="lease", to="datasets.example"
            ),
        ),
        migrations.AddField(
            model_name="lease",
            name="holder",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="savedview",
            name="created_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="savedview",
            name="dataset",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="saved_views", to="datasets.dataset"
            ),
        ),
        migrations.AddIndex(
            model_name="change",
            index=models.Index(fields=["dataset", "by", "id"], name="change_of_person"),
        ),
        migrations.AddConstraint(
            model_name="change",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("undone_at", None), ("undone_by", None)),
                    models.Q(("undone_at__isnull", False), ("undone_by__isnull", False)),
                    _connector="OR",
                ),
                name="change_undone_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="changedexample",
            constraint=models.UniqueConstraint(fields=("change", "example"), name="example_once_per_change"),
        ),
        migrations.AddConstraint(
            model_name="comment",
            constraint=models.CheckConstraint(
                condition=models.Q(("text", ""), _negated=True), name="comment_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(fields=("dataset", "name"), name="saved_view_name_once"),
        ),
        migrations.RunPython(index_texts, forget_index),
    ]
