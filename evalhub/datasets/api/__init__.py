"""Datasets over HTTP: the same actions and the same policy as the pages."""

from evalhub.datasets.api.checks import CheckDetail, CheckFlags, CheckList, Readiness, ThresholdsView
from evalhub.datasets.api.collections import DatasetDetail, DatasetList
from evalhub.datasets.api.comparisons import VersionCard, VersionCardText, VersionComparison
from evalhub.datasets.api.curation import ChangeList, ChangeUndo, CommentList, ViewDetail, ViewList
from evalhub.datasets.api.deciding import DuplicateKept, Duplicates, ExampleDecision, ExampleReplacement
from evalhub.datasets.api.examples import ExampleDetail, ExampleList, RevisionList
from evalhub.datasets.api.exports import Exports
from evalhub.datasets.api.imports import (
    HERE_AND_NOW,
    ImportCancel,
    ImportDetail,
    ImportList,
    ImportPreview,
    ImportRetry,
)
from evalhub.datasets.api.reviewing import Hold, NextToReview, ReviewQueue
from evalhub.datasets.api.versions import VersionDetail, VersionDownload, VersionList

__all__ = [
    "HERE_AND_NOW",
    "ChangeList",
    "ChangeUndo",
    "CheckDetail",
    "CheckFlags",
    "CheckList",
    "CommentList",
    "DatasetDetail",
    "DatasetList",
    "DuplicateKept",
    "Duplicates",
    "ExampleDecision",
    "ExampleDetail",
    "ExampleList",
    "ExampleReplacement",
    "Exports",
    "Hold",
    "ImportCancel",
    "ImportDetail",
    "ImportList",
    "ImportPreview",
    "ImportRetry",
    "NextToReview",
    "Readiness",
    "ReviewQueue",
    "RevisionList",
    "ThresholdsView",
    "VersionCard",
    "VersionCardText",
    "VersionComparison",
    "VersionDetail",
    "VersionDownload",
    "VersionList",
    "ViewDetail",
    "ViewList",
]
