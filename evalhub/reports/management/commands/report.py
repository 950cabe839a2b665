"""manage.py report STUDY --project SLUG [--json] [--out DIR]: the whole report, the same bytes each time."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.urls import reverse

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.errors import Refused
from evalhub.jobs.commands import QueueableCommand
from evalhub.progress import told as counted
from evalhub.reports import words
from evalhub.reports.aggregates import build_report
from evalhub.reports.charts import CHARTS, drawable
from evalhub.reports.figures import picture
from evalhub.reports.reading import is_open_to, report_for
from evalhub.reports.report import Difference, MetricScore, StudyReport, as_json
from evalhub.studies import export
from evalhub.studies.management.base import study_named
from evalhub.studies.models import Study


class Command(QueueableCommand):
    right, writes, in_one_step = Right.READ_REPORTS, "out", False
    help = "Print the report of a study; --out writes its ratings, its numbers and its figures into a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("study", help="Name or slug.")
        parser.add_argument("--out", type=Path, metavar="DIR", help="Folder for ratings.csv, report.json and figures.")

    def title(self, options: dict[str, Any]) -> str:
        return f"Report of {options['study']}"

    def check_request(self, project: Project, by: User, options: dict[str, Any]) -> None:
        readable_study(project, by, options["study"])

    def act(self, project: Project, by: User, options: dict[str, Any]) -> Told:
        study = readable_study(project, by, options["study"])
        self.say(f"Working out the report of {study.name}.")
        with closing(self.bar(f"Working out {study.name}")) as bar:
            report = report_for(by, study, build=partial(build_report, heard=bar))
        if options["out"]:
            self.write(study, report, options["out"])
        return Told(as_json(report), lines(report), link=reverse("reports:report", args=[project.slug, study.slug]))

    def write(self, study: Study, report: StudyReport, folder: Path) -> None:
        """ratings.csv, report.json and an SVG of each figure, each written whole or not at all."""
        names = drawable(report)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            whole(folder / "ratings.csv", (line.encode() for line in export.as_csv(study)))
            whole(folder / "report.json", [json.dumps(as_json(report), ensure_ascii=False, indent=1).encode(), b"\n"])
            with closing(self.bar(f"Writing {folder.name}")) as bar:
                for name in counted(names, len(names), bar, every=1):
                    whole(folder / f"{name}.svg", [picture(CHARTS[name](report))])
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error.strerror}.") from error


def readable_study(project: Project, by: User, name: str) -> Study:
    """Raises Refused for a study whose report is not open to this person; CommandError for none."""
    study = study_named(project, name)
    if not is_open_to(by, study):
        raise Refused("This study is still under way; its numbers are shown when it has closed.")
    return study


def whole(path: Path, parts: Iterable[bytes]) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.writelines(parts)
    part.replace(path)


def lines(report: StudyReport) -> list[str]:
    """The report as text for people."""
    digits = words.figure_digits(report)
    told = [f"{report.facts.name}: {words.lede(report)}"]
    told += ["Preliminary: the study is not closed." if report.preliminary else "", ""]
    told += [f"Warning: {sentence}" for sentence in report.warnings]
    told += [*(" ".join(map(str, line)) for line in words.evidence(report))]
    told += [words.basis(report), "", "Means"]
    told += [
        f"  {words.criterion_name(report, s.criterion):<24} {report.arm(s.arm).name:<28} "
        f"{words.points(s.mean.point, digits):>8}  {words.interval(s.mean, digits)}  "
        f"(n = {s.mean.n_items} items, {s.mean.n_raters} raters, {s.mean.n_ratings} ratings)"
        for s in report.scores
    ]
    told += ["", "Differences"] + [_difference(report, d, digits) for d in report.differences]
    told += ["", "Agreement"] + [f"  {sentence}" for sentence in words.agreement_words(report)]
    return told + _metrics(report)


def _difference(report: StudyReport, d: Difference, digits: int) -> str:
    pair = f"{report.arm(d.a).name} − {report.arm(d.b).name}"
    said = d.verdict or "exploratory"
    return (
        f"  {words.criterion_name(report, d.criterion):<24} {pair:<40} "
        f"{words.signed_points(d.difference.point, digits):>8}  "
        f"{words.interval(d.difference, digits, signed=True)}  {words.p_value(d.p_holm)}  {said}"
    )


def _metrics(report: StudyReport) -> list[str]:
    return ["", "Metrics", *(_metric(report, metric) for metric in report.metrics)] if report.metrics else []


def _metric(report: StudyReport, metric: MetricScore) -> str:
    name = report.arm(metric.arm).name
    value, span = words.points(metric.mean.point, 3), words.interval(metric.mean, 3)
    return f"  {metric.name:<24} {name:<28} {value:>8}  {span}  (n = {metric.mean.n_items} items)"
