"""Examples that ask the same are found by an index of a number of what they ask."""

from django.db import migrations, models
from django.db.models.functions import Cast

from evalhub.datasets.prompts import PromptNumber

PROMPT = ("instruction", "input", "system", "history")


class Migration(migrations.Migration):
    dependencies = [("datasets", "0011_counts_by_state")]
    operations = [
        migrations.AddIndex(
            "example",
            models.Index(
                "dataset", PromptNumber(*(Cast(name, models.TextField()) for name in PROMPT)), name="example_by_prompt"
            ),
        ),
    ]
