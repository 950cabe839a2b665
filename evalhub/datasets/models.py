"""Examples, how they came in, how they changed, and the frozen versions that defend a training run."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from evalhub.accounts.models import Project, User


class Dataset(models.Model):
    """A named collection of examples within a project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=120)
    description = models.TextField(blank=True)
    credit = models.TextField(blank=True, help_text="Source and licence of the data, shown wherever it is used.")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="dataset_name_once"),
            models.UniqueConstraint(fields=["project", "slug"], name="dataset_slug_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Split(models.TextChoices):
    TRAIN = "train", "Train"
    VALIDATION = "validation", "Validation"
    TEST = "test", "Test"


class ImportBatch(models.Model):
    """One file brought in: what was kept, what was set aside and why. A job: the row is the truth (lifecycle.py)."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Stopped"

    class Policy(models.TextChoices):
        SET_ASIDE = "set-aside", "Store the good rows, set the others aside"
        ALL_OR_NOTHING = "all-or-nothing", "Store all rows or none"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=255)
    file = models.FileField(upload_to="imports/", blank=True)
    sha256 = models.CharField(max_length=64)
    policy = models.CharField(max_length=20, choices=Policy.choices, default=Policy.SET_ASIDE)
    mapping = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0, help_text="Rows of the file, once they are counted.")
    done = models.PositiveIntegerField(default=0, help_text="Rows gone through; an interrupted import goes on after.")
    eta_seconds = models.FloatField(null=True, blank=True)
    attempt = models.PositiveIntegerField(default=0, help_text="Fencing number: only its holder may write.")
    losses = models.PositiveIntegerField(default=0, help_text="Workers lost with this import.")
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the queue was last told.")
    request_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="Of the form that asked: a second click finds the import."
    )
    imported = models.PositiveIntegerField(default=0)
    set_aside = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)
    message = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "heartbeat_at"])]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "request_key"], name="one_import_per_request"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} → {self.dataset}"

    @property
    def is_live(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def may_go_on(self) -> bool:
        """Whether trying again could store more: it ended before the end of its file."""
        stopped = self.state in (self.State.FAILED, self.State.CANCELLED)
        return stopped and bool(self.file.name) and not 0 < self.total <= self.done


class Example(models.Model):
    """An instruction, its input, and the output that a model should learn. Current values; Revision keeps the past."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="examples")
    batch = models.ForeignKey(ImportBatch, models.SET_NULL, null=True, blank=True, related_name="examples")
    key = models.CharField(max_length=200, blank=True, help_text="The id that the row carried in its file, if any.")
    instruction = models.TextField()
    input = models.TextField(blank=True)
    output = models.TextField()
    system = models.TextField(blank=True)
    history = models.JSONField(default=list, blank=True)
    category = models.CharField(max_length=120, blank=True)
    source = models.CharField(max_length=255, blank=True, help_text="Document of origin; splits keep it together.")
    language = models.CharField(max_length=20, blank=True)
    tags = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    wanted_split = models.CharField(max_length=12, choices=Split.choices, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.APPROVED)
    origin = models.JSONField(
        default=dict, blank=True, help_text="Where a proposal comes from: study, item, arm, score."
    )
    fingerprint = models.CharField(max_length=64, help_text="sha256 of the normalised row; makes imports idempotent.")
    revision_number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "fingerprint"], name="example_once_per_dataset"),
            models.CheckConstraint(condition=~Q(instruction=""), name="example_has_instruction"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["dataset", "state"]),
            models.Index(fields=["dataset", "category"]),
        ]

    def __str__(self) -> str:
        return self.key or f"Example {self.pk}"


class Revision(models.Model):
    """One state of an example's texts. The first revision is the row as imported."""

    example = models.ForeignKey(Example, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    values = models.JSONField()
    fingerprint = models.CharField(max_length=64, blank=True, db_index=True, help_text="As Example.fingerprint.")
    reason = models.CharField(max_length=255, blank=True)
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["example", "number"], name="revision_number_once")]

    def __str__(self) -> str:
        return f"{self.example} r{self.number}"


class Version(models.Model):
    """A frozen set of examples: which texts, split how, with the hash that proves it."""

    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    note = models.CharField(max_length=255, blank=True)
    settings = models.JSONField(default=dict)
    counts = models.JSONField(default=dict)
    data_hash = models.CharField(max_length=64)
    frozen_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["dataset", "-number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.number}"


class VersionExample(models.Model):
    """An example's texts as frozen in a version, and the side of the split it is on."""

    version = models.ForeignKey(Version, models.CASCADE, related_name="entries")
    example = models.ForeignKey(Example, models.PROTECT, related_name="version_entries")
    split = models.CharField(max_length=12, choices=Split.choices)
    position = models.PositiveIntegerField()
    revision_number = models.PositiveIntegerField()
    values = models.JSONField(help_text="instruction, input, output, system, history, category, source, key: frozen.")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "example"], name="example_once_per_version"),
            models.UniqueConstraint(fields=["version", "position"], name="position_once_per_version"),
        ]
        indexes: ClassVar = [models.Index(fields=["version", "split"])]

    def __str__(self) -> str:
        return f"{self.example} in {self.version}"
