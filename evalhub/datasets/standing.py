"""What a decision makes of an example: proposed → approved once → approved, or rejected. Pure Python.

Where a dataset asks for a second approval, the first leaves an example proposed, with its approver; only another
person's makes it approved.
"""

from dataclasses import dataclass

PROPOSED, APPROVED, REJECTED = "proposed", "approved", "rejected"


@dataclass(frozen=True)
class Standing:
    """State and approvers (ids of people) of an example."""

    state: str
    first: int | None = None
    second: int | None = None


def approved(was: Standing, *, by: int, two: bool) -> Standing:
    """`was` after an approval by `by`, where `two` people have to approve or one; the same where nothing changes."""
    if was.state == APPROVED:
        return was
    if not two:
        return Standing(APPROVED, by)
    if was.first is None or was.state == REJECTED:
        return Standing(PROPOSED, by)
    return was if was.first == by else Standing(APPROVED, was.first, by)


def rejected(was: Standing) -> Standing:
    """`was` after a rejection: earlier approvals do not count any more."""
    return was if was.state == REJECTED else Standing(REJECTED)
