"""The indexes by state, category and source carry what else is filtered by, as those of the other orders do."""

from django.db import migrations, models

CARRIED = ("output_length", "updated_at", "state", "category", "wanted_split", "language")
NAMES = ("state", "category", "source")


def carrying(name: str) -> models.Index:
    others = tuple(other for other in CARRIED if other != name)
    return models.Index(fields=["dataset", name, "id"], include=others, name=f"example_by_{name}")


class Migration(migrations.Migration):
    dependencies = [("datasets", "0012_prompts_found")]
    operations = [
        *(migrations.RemoveIndex("example", f"example_by_{name}") for name in NAMES),
        *(migrations.AddIndex("example", carrying(name)) for name in NAMES),
    ]
