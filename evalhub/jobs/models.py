"""What a worker does for somebody: the life that every such row has, and the job that is a command of the loop."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from evalhub.accounts.models import Project, Role, User


class Lived(models.Model):
    """A row that a worker takes, follows and brings to an end (lifecycle.py). The row is the truth."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Stopped"

    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Steps in all, once they are counted.")
    done = models.PositiveIntegerField(default=0, help_text="Steps gone through.")
    eta_seconds = models.FloatField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="Fencing number: only its holder may write.")
    losses = models.PositiveIntegerField(default=0, help_text="Workers lost with this row.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the queue was last told.")
    request_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="Of the form that asked: a second click finds the row."
    )
    message = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_live(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def in_one_step(self) -> bool:
        """Whether its work is one transaction, within which its row cannot tell that somebody wants the end."""
        return True


class Job(Lived):
    """A command of the loop that a worker carries out: manage.py VERB --queue, or a page that does not wait for it."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="jobs")
    command = models.CharField(max_length=60, help_text="The command's name.")
    options = models.JSONField(default=dict, help_text="What the command was asked, but for files.")
    title = models.CharField(max_length=255)
    file = models.FileField(upload_to="jobs/in/", blank=True, help_text="The file that it reads.")
    file_name = models.CharField(max_length=255, blank=True)
    output = models.FileField(upload_to="jobs/out/", blank=True, help_text="The file that it wrote.")
    output_name = models.CharField(max_length=255, blank=True)
    result = models.JSONField(default=dict, blank=True, help_text="What the command tells a script.")
    lines = models.JSONField(default=list, blank=True, help_text="What it tells people.")
    role = models.CharField(
        max_length=10, choices=Role.choices, blank=True, help_text="In which it was done: what it told depends on that."
    )
    link = models.CharField(max_length=500, blank=True, help_text="Address of the page that shows what it made.")

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "heartbeat_at"])]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "request_key"], name="one_job_per_request"),
        ]

    def __str__(self) -> str:
        return self.title
