"""A project's short name fits an address; names that do not are mended, since no page could show them."""

import re

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils.text import slugify

FITS = r"^[-a-zA-Z0-9_]+$"


def mend(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    projects = apps.get_model("accounts", "Project").objects
    for pk, slug in projects.values_list("pk", "slug"):
        if not re.fullmatch(r"[-a-zA-Z0-9_]+", slug):
            projects.filter(pk=pk).update(slug=f"{slugify(slug)[:60] or 'project'}-{pk}")


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunPython(mend, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.CheckConstraint(
                condition=models.Q(slug__regex=FITS), name="project_slug_fits_an_address"
            ),
        ),
    ]
