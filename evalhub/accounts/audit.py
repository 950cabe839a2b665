"""What the audit log's verbs mean to people: one phrase for each verb that any room writes."""

from evalhub.accounts.models import AuditEvent

PHRASES = {
    # jobs
    "request_job": "Asked a worker for {target}",
    "cancel_job": "Stopped {target}",
    "retry_job": "Asked for {target} again",
    # accounts
    "create user": "Made the account {target}",
    "create project": "Made the project",
    "update project": "Changed the project's settings",
    "add member": "Added {target}",
    "change role": "Changed the role of {target}",
    "remove member": "Removed {target}",
    "invite": "Invited {target}",
    "revoke invitation": "Took back the invitation to {target}",
    "accept invitation": "Accepted the invitation to {target}",
    "update profile": "Changed the name shown for {target}",
    "change password": "Changed the password of {target}",
    "create API key": "Made the API key “{target}”",
    "revoke API key": "Revoked the API key “{target}”",
    # datasets
    "create_dataset": "Made {target}",
    "describe_dataset": "Changed what is said of {target}",
    "discard_empty": "Discarded {target}, which was empty",
    "import_file": "Brought in a file: {target}",
    "cancel_import": "Stopped {target}",
    "retry_import": "Let {target} go on",
    "propose_example": "Proposed {target}",
    "propose_again": "Proposed {target} once more",
    "edit_example": "Edited {target}",
    "approve": "Approved {target}",
    "reject": "Rejected {target}",
    "change_examples": "Changed {target}",
    "undo_change": "Undid: {target}",
    "comment_example": "Commented on {target}",
    "save_view": "Saved the view {target}",
    "forget_view": "Removed the view {target}",
    "ask_second_approval": "Asked for a second approval in {target}",
    "drop_second_approval": "Asked for one approval only in {target}",
    "check_examples": "Ran {target}",
    "keep_thresholds": "Kept other thresholds for the checks of {target}",
    "freeze_version": "Froze {target}",
    "delete_example": "Deleted {target}",
    "delete_version": "Deleted {target}",
    "delete_dataset": "Deleted {target}",
    # runs
    "register model": "Registered {target}",
    "request training": "Asked for a training: {target}",
    "request generation": "Asked for answers: {target}",
    "request scoring": "Asked for scores: {target}",
    "cancel run": "Stopped {target}",
    "resume run": "Resumed {target}",
    "import answers": "Brought in answers made elsewhere: {target}",
    "keep adapter": "Kept a trained adapter: {target}",
    # studies
    "create study": "Made {target}",
    "add rater": "Added a rater to {target}",
    "resolve flag": "Resolved a rater's flag in {target}",
    "discard study": "Discarded {target}, a draft",
    "open study": "Opened {target}",
    "pause study": "Paused {target}",
    "resume study": "Resumed {target}",
    "close study": "Closed {target}",
    "reveal study": "Revealed the arms of {target}",
    "import ratings": "Brought in ratings made elsewhere: {target}",
    "propose corrections": "Proposed raters' corrections as examples, from {target}",
}
"""The verb as it is stored → a sentence; {target} is what the event is about."""


def told(event: AuditEvent) -> str:
    """The event as a sentence. A verb without a phrase is shown as it is stored: an old row, never a new one."""
    phrase = PHRASES.get(event.verb, f"{event.verb.replace('_', ' ').capitalize()}: {{target}}")
    return phrase.format(target=event.target or "the project")
