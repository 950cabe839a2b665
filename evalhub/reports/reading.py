"""Who reads what of a report: nobody's numbers before the end but an admin's, nobody's severities but an admin's."""

from dataclasses import replace

from evalhub.accounts.models import User
from evalhub.accounts.permissions import Right, may
from evalhub.reports.report import StudyReport
from evalhub.studies.models import Study


def is_open_to(user: User, study: Study) -> bool:
    """A closed study to every reader of reports; one under way to those who design studies."""
    return study.state == Study.State.CLOSED or may(user, study.project, Right.DESIGN)


def for_reader(report: StudyReport, user: User, study: Study) -> StudyReport:
    """The report without the raters' profiles, except for those who design studies."""
    return report if may(user, study.project, Right.DESIGN) else replace(report, raters=())
