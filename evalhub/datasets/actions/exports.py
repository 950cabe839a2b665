"""Let a worker write an export; whoever asked finds the file on the job's page."""

from evalhub.accounts.models import User
from evalhub.datasets.exporting.extracts import Extract, Wanted
from evalhub.datasets.exporting.formats import Writing
from evalhub.datasets.models import Dataset
from evalhub.jobs.actions import request_job
from evalhub.jobs.models import Job

VERB = "export_examples"


def request_export(dataset: Dataset, *, wanted: Wanted, extract: Extract, chosen: Writing, by: User) -> Job:
    """The same as the command of this name with these options."""
    options = {"dataset": dataset.slug, "format": chosen.name, "shape": chosen.shape, **wanted.as_texts()}
    return request_job(
        dataset.project,
        command=VERB,
        title=f"Export {extract.title} as {chosen.format.label}",
        options={**options, "out": chosen.file_name(extract)},
        by=by,
    )
