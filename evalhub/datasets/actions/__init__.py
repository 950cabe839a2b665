"""What people do with data: import_file, request_import, edit_example, approve, reject, freeze_version …"""

from evalhub.datasets.actions.bulk import (
    bulk_examples,
    request_bulk,
)
from evalhub.datasets.actions.checks import (
    check_examples,
    keep_thresholds,
    request_check,
)
from evalhub.datasets.actions.collections import (
    create_dataset,
    describe_dataset,
    discard_empty,
)
from evalhub.datasets.actions.curation import (
    comment,
    edit_example,
    propose_by_hand,
    propose_example,
)
from evalhub.datasets.actions.deciding import (
    approve,
    approve_instead,
    decide_many,
    keep_one,
    reject,
)
from evalhub.datasets.actions.deleting import (
    delete_dataset,
    delete_example,
    delete_version,
)
from evalhub.datasets.actions.exports import (
    request_export,
)
from evalhub.datasets.actions.imports import (
    cancel_import,
    import_file,
    request_import,
    retry_import,
    wait_for_import,
)
from evalhub.datasets.actions.leasing import (
    hold,
    holder_of,
    let_go,
    next_to_review,
    reviewers_of,
)
from evalhub.datasets.actions.settling import (
    ask_second_approval,
    forget_view,
    save_view,
)
from evalhub.datasets.actions.undoing import (
    last_of,
    undo,
    undo_by_worker,
    undo_last,
)
from evalhub.datasets.actions.versions import (
    freeze_as_planned,
    freeze_version,
    freezes_at_once,
    leaks_of,
    request_freeze,
)

__all__ = [
    "approve",
    "approve_instead",
    "ask_second_approval",
    "bulk_examples",
    "cancel_import",
    "check_examples",
    "comment",
    "create_dataset",
    "decide_many",
    "delete_dataset",
    "delete_example",
    "delete_version",
    "describe_dataset",
    "discard_empty",
    "edit_example",
    "forget_view",
    "freeze_as_planned",
    "freeze_version",
    "freezes_at_once",
    "hold",
    "holder_of",
    "import_file",
    "keep_one",
    "keep_thresholds",
    "last_of",
    "leaks_of",
    "let_go",
    "next_to_review",
    "propose_by_hand",
    "propose_example",
    "reject",
    "request_bulk",
    "request_check",
    "request_export",
    "request_freeze",
    "request_import",
    "retry_import",
    "reviewers_of",
    "save_view",
    "undo",
    "undo_by_worker",
    "undo_last",
    "wait_for_import",
]
