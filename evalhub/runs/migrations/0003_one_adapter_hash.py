"""Adapters go by the hash of their weights, which training recorded with them."""

from typing import Any

from django.db import migrations


def take_the_recorded_hash(apps: Any, schema_editor: Any) -> None:
    for model in apps.get_model("runs", "Model").objects.filter(kind="adapter"):
        recorded = (model.facts.get("served") or {}).get("adapter_hash")
        if recorded and recorded != model.content_hash:
            model.content_hash = recorded
            model.save(update_fields=["content_hash"])


class Migration(migrations.Migration):
    dependencies = [("runs", "0002_journal_and_guards")]
    operations = [migrations.RunPython(take_the_recorded_hash, migrations.RunPython.noop)]
