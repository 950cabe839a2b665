"""Who reads what of a report: before the end, raters' severities and what tells the arms apart, only who designs."""

from collections.abc import Callable
from dataclasses import replace

from evalhub.accounts.models import User
from evalhub.accounts.permissions import Right, may
from evalhub.reports.aggregates import study_report
from evalhub.reports.report import StudyReport
from evalhub.studies.models import Study
from evalhub.studies.naming import is_blind


def is_open_to(user: User, study: Study) -> bool:
    """A closed study to every reader of reports; one under way to those who design studies."""
    return study.state == Study.State.CLOSED or may(user, study.project, Right.DESIGN)


def report_for(user: User, study: Study, *, build: Callable[..., StudyReport] = study_report) -> StudyReport:
    """The report as `user` may read it: blind and without the raters' profiles, except for those who design studies.

    Once the arms are revealed nobody reads it blind.
    """
    designs = may(user, study.project, Right.DESIGN)
    report = build(study, blind=is_blind(study, designs=designs))
    return report if designs else replace(report, raters=())
