"""The role in which a job was done; those of before count as done by an admin, so that nothing is shown too widely."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("jobs", "0001_initial")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="job",
            name="role",
            field=models.CharField(
                blank=True,
                choices=[("admin", "Admin"), ("expert", "Expert"), ("pm", "PM")],
                default="admin",
                help_text="In which it was done: what it told depends on that.",
                max_length=10,
            ),
            preserve_default=False,
        ),
    ]
