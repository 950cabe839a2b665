"""Why numbers are missing, told once under each table instead of in every cell."""

from collections.abc import Iterable

from evalhub.reports.report import StudyReport
from evalhub.reports.statistics.result import Estimate


def reasons(report: StudyReport) -> dict[str, list[str]]:
    """Table → the reasons of its missing numbers and intervals, each once, in the order of the marks in its cells."""
    return {
        "scores": _once(e for s in report.scores for e in (s.mean, s.adjusted)),
        "differences": _once(e for d in report.differences for e in (d.difference, d.superiority)),
        "wins": _once(won.rate for won in (*report.wins, *report.choices)),
        "strengths": _once(s.estimate for s in report.strengths),
        "metrics": _once(c.spearman.estimate for c in report.correlations),
        "correlations": _once(_of_correlations(report)),
        "agreement": _once(_of_agreement(report)),
        "raters": _once(r.profile.severity for r in report.raters),
    }


def _of_correlations(report: StudyReport) -> Iterable[Estimate]:
    for c in report.correlations:
        yield from (c.kendall.estimate, c.pearson.estimate, c.pooled, c.partial_on_length, c.system.estimate)


def _of_agreement(report: StudyReport) -> Iterable[Estimate]:
    for a in (c.agreement for c in report.agreement):
        yield from (a.ordinal, a.interval, a.icc.icc_1_1, a.icc.icc_2_1, a.icc.icc_2_k, a.exact, a.near)


def _once(estimates: Iterable[Estimate]) -> list[str]:
    missing = (e.undefined for e in estimates if e.point is None or e.low is None)
    return list(dict.fromkeys(reason for reason in missing if reason))
