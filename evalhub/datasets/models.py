"""Examples, how they came in, how they changed, and the frozen versions that defend a training run."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.utils import timezone

from evalhub.accounts.models import Project, User
from evalhub.datasets.prompts import prompt_number
from evalhub.jobs.models import Lived


class Dataset(models.Model):
    """A named collection of examples within a project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=120)
    description = models.TextField(blank=True)
    credit = models.TextField(blank=True, help_text="Source and licence of the data, shown wherever it is used.")
    is_benchmark = models.BooleanField(
        default=False, help_text="Its prompts test models and are never trained on; checks look for copies of them."
    )
    thresholds = models.JSONField(default=dict, blank=True, help_text="Of the checks, where they are not the usual.")
    second_approval = models.BooleanField(
        default=False, db_default=False, help_text="An example is approved once two different people have approved it."
    )
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


class ImportBatch(Lived):
    """One file brought in: what was kept, what was set aside and why; `done` counts the rows gone through."""

    class Policy(models.TextChoices):
        SET_ASIDE = "set-aside", "Store the good rows, set the others aside"
        ALL_OR_NOTHING = "all-or-nothing", "Store all rows or none"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="imports")
    file_name = models.CharField(max_length=255)
    file = models.FileField(upload_to="imports/", blank=True)
    sha256 = models.CharField(max_length=64)
    policy = models.CharField(max_length=20, choices=Policy.choices, default=Policy.SET_ASIDE)
    mapping = models.JSONField(default=dict, blank=True)
    imported = models.PositiveIntegerField(default=0)
    set_aside = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "heartbeat_at"])]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "request_key"], name="one_import_per_request"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} → {self.dataset}"

    @property
    def in_one_step(self) -> bool:
        return self.policy == self.Policy.ALL_OR_NOTHING

    @property
    def may_go_on(self) -> bool:
        """Whether trying again could store more: it ended before the end of its file."""
        stopped = self.state in (self.State.FAILED, self.State.CANCELLED)
        return stopped and bool(self.file.name) and not 0 < self.total <= self.done


FACETS = ("state", "category", "wanted_split", "language")  # in indexes, so that a walk asks the index alone
CARRIED = ("output_length", "updated_at", *FACETS)


def _carried_beside(name: str) -> list[str]:
    return [other for other in CARRIED if other != name]


class Example(models.Model):
    """An instruction, its input, and the output that a model should learn. Current values; Revision keeps the past."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "Proposed"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="examples", db_index=False)  # see Meta.indexes
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
    first_approver = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False,
        help_text="Who approved it; still proposed where a second person has to.",
    )  # fmt: skip
    second_approver = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )  # fmt: skip
    fingerprint = models.CharField(max_length=64, help_text="sha256 of the normalised row; makes imports idempotent.")
    output_length = models.GeneratedField(
        expression=Length("output"), output_field=models.IntegerField(), db_persist=True
    )
    searchable = models.BooleanField(
        default=False, db_default=False, help_text="Whether the text index knows it (searching.py); else it is read."
    )
    revision_number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "fingerprint"], name="example_once_per_dataset"),
            models.CheckConstraint(condition=~Q(instruction=""), name="example_has_instruction"),
            models.CheckConstraint(condition=~Q(first_approver=F("second_approver")), name="example_two_people"),
            models.CheckConstraint(
                condition=Q(second_approver=None) | Q(first_approver__isnull=False, state="approved"),
                name="example_second_after_first",
            ),
        ]
        indexes: ClassVar = [  # each ends on the id, so that a page of any order or filter is one walk (paging.py)
            models.Index(fields=["dataset", "id"], name="example_by_id", include=CARRIED),
            models.Index(fields=["dataset", "state", "id"], name="example_by_state", include=_carried_beside("state")),
            models.Index(
                fields=["dataset", "category", "id"], name="example_by_category", include=_carried_beside("category")
            ),
            models.Index(fields=["dataset", "source", "id"], name="example_by_source", include=CARRIED),
            models.Index(fields=["dataset", "language", "id"], name="example_by_language"),
            models.Index(fields=["dataset", "wanted_split", "id"], name="example_by_split"),
            models.Index(
                fields=["dataset", "output_length", "id"],
                name="example_by_length",
                include=_carried_beside("output_length"),
            ),
            models.Index(
                fields=["dataset", "updated_at", "id"], name="example_by_change", include=_carried_beside("updated_at")
            ),
            models.Index(fields=["dataset", "id"], name="example_by_hand", condition=Q(batch=None)),
            models.Index(fields=["dataset", "id"], name="example_unindexed", condition=Q(searchable=False)),
            models.Index("dataset", prompt_number(), name="example_by_prompt"),
        ]

    def __str__(self) -> str:
        return self.key or f"Example {self.pk}"


class Revision(models.Model):
    """One state of an example's texts. The first revision is the row as imported.

    An import writes no text twice: the first revision's texts are the example's own, until the example goes on to the
    next one. At that moment the database itself keeps them here (migration 0010).
    """

    example = models.ForeignKey(Example, models.CASCADE, related_name="revisions", db_index=False)  # see the constraint
    number = models.PositiveIntegerField()
    values = models.JSONField(null=True, help_text="Null while the example itself has them.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="As Example.fingerprint, if values are here.")
    reason = models.CharField(max_length=255, blank=True)
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["example", "number"], name="revision_number_once")]
        indexes: ClassVar = [
            models.Index(fields=["fingerprint"], name="revision_by_fingerprint", condition=~Q(fingerprint=""))
        ]

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
    request_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="Of the form or job that asked: a second click finds it."
    )
    frozen_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    frozen_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["dataset", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["dataset", "request_key"], name="one_version_per_request"),
        ]

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


class CheckRun(models.Model):
    """The checks over examples of a dataset at one moment: which ones, with which thresholds, and what they found."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="checks")
    query = models.TextField(blank=True, help_text="The filter, as in an address; empty: all that were approved.")
    settings = models.JSONField(default=dict, help_text="Every threshold as it was.")
    report = models.JSONField(default=dict, help_text="What was counted: checks, balance, lengths, diversity.")
    examples = models.PositiveIntegerField(default=0, help_text="How many were looked at.")
    read_at = models.DateTimeField(help_text="When their texts were read; later changes are not in it.")
    seconds = models.FloatField(default=0)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"Check {self.pk} of {self.dataset}"


class Flag(models.Model):
    """Something that a check found about an example, and why. Flags last until the same examples are checked again."""

    run = models.ForeignKey(CheckRun, models.CASCADE, related_name="flags")
    example = models.ForeignKey(Example, models.CASCADE, related_name="flags")
    kind = models.CharField(max_length=30)
    reason = models.CharField(max_length=255, blank=True)
    group = models.PositiveIntegerField(null=True, blank=True, help_text="Examples flagged together share a number.")

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "kind", "example"], name="flag_once_per_check"),
        ]
        indexes: ClassVar = [models.Index(fields=["run", "kind", "group"])]

    def __str__(self) -> str:
        return f"{self.kind}: {self.example}"


class SavedView(models.Model):
    """A name for a filter of a dataset's examples, shared by all who see the dataset."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=80)
    query = models.TextField(help_text="The filter and order, as they stand in the address.")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["dataset", "name"], name="saved_view_name_once")]

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """What a person did to one example or to many at one moment: decided, tagged, edited. It can be undone once."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="changes", db_index=False)
    verb = models.CharField(max_length=20)
    value = models.CharField(max_length=120, blank=True, help_text="The tag, category or split that was given.")
    reason = models.CharField(max_length=255, blank=True)
    query = models.TextField(blank=True, help_text="The filter that chose the examples, if one did.")
    count = models.PositiveIntegerField(default=0, help_text="How many examples were different afterwards.")
    passed_over = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How many the filter no longer left when their turn came."
    )
    by = models.ForeignKey(User, models.PROTECT, related_name="+")
    at = models.DateTimeField(help_text="Also `updated_at` of each example, until somebody changes it again.")
    undone_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    undone_at = models.DateTimeField(null=True, blank=True)
    restored = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["dataset", "by", "id"], name="change_of_person")]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(undone_by=None, undone_at=None) | Q(undone_by__isnull=False, undone_at__isnull=False),
                name="change_undone_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.count}"

    @property
    def left_alone(self) -> int:
        """How many were not restored, because somebody had changed them since."""
        return self.count - self.restored


class ChangedExample(models.Model):
    """An example that a change touched, with what it had been before."""

    change = models.ForeignKey(Change, models.CASCADE, related_name="examples", db_index=False)
    example = models.ForeignKey(Example, models.CASCADE, related_name="changes")
    before = models.JSONField(help_text="Field → its value before.")
    restored = models.BooleanField(default=False, db_default=False, help_text="Undone: as if it had not happened.")

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["change", "example"], name="example_once_per_change"),
        ]

    def __str__(self) -> str:
        return f"{self.change}: {self.example}"


class Lease(models.Model):
    """Who looks at an example just now, so that the queue gives it to nobody else; it runs out by itself."""

    example = models.OneToOneField(Example, models.CASCADE, related_name="lease")
    holder = models.ForeignKey(User, models.CASCADE, related_name="+")
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.example}: {self.holder}"


class Comment(models.Model):
    """What somebody says about an example."""

    example = models.ForeignKey(Example, models.CASCADE, related_name="comments")
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    text = models.TextField(max_length=4000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.CheckConstraint(condition=~Q(text=""), name="comment_says_something")]

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:40]}"
