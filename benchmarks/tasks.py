"""The texts that ours and the peer show: the same tasks, each with two answers, rated on four criteria."""

CRITERIA = ("Accuracy", "Relevance", "Quality", "Style")
ITEMS = 12

SOURCE = (
    "The weekly ship is a short memo that a project team sends its partners at the end of every week. It says what "
    "was done, what comes next, what stands in the way and what has been spent. Teams that write one report fewer "
    "surprises, since partners who cannot attend every meeting still know where the work stands.\n\n"
    "A good memo fits on one page. It opens with the sentence that a reader would want to know if they read nothing "
    "else. It names people and dates. It links to the things it mentions. It is sent on the same day each week, even "
    "in a week in which little happened, because a missing memo is read as bad news.\n\n"
    "The memo is also a record. A team that wants to know half a year later why a decision was taken finds it there, "
    "and a new member can read the whole history of the project in an afternoon."
)
ANSWERS = (
    "The weekly ship is a memo that teams send partners each week: what was done, what is next and what was spent. "
    "Learn what it covers and how to write one that people want to read.",
    "A weekly ship is a memo to partners. Learn what goes in it, how to write one that partners want to read, and why "
    "it is a valuable internal record.",
)


def task(number: int) -> dict[str, str]:
    """The n-th item: what is asked, the source, and two answers."""
    return {
        "key": f"memo-{number}",
        "instruction": f"Write a meta description for part {number} of this article, at most 160 characters.",
        "input": SOURCE,
        "a": f"Part {number}. {ANSWERS[0]}",
        "b": f"Part {number}. {ANSWERS[1]}",
    }


def tasks() -> list[dict[str, str]]:
    return [task(number) for number in range(1, ITEMS + 1)]
