"""Examples one by one: manage.py examples list|show|propose|edit|approve|reject … --project SLUG --dataset NAME."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from evalhub.accounts.commands import Told
from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right
from evalhub.datasets import actions
from evalhub.datasets.actions.curation import GIVEN
from evalhub.datasets.actions.deciding import many
from evalhub.datasets.api.curation import CommentSerializer
from evalhub.datasets.clusters import cluster_of, shown_of
from evalhub.datasets.filters import filter_of
from evalhub.datasets.flagging import flags_now
from evalhub.datasets.history import history_of
from evalhub.datasets.management.telling import as_json, event_line, facts, line, revisions_of, words
from evalhub.datasets.management.texts import values_of, with_texts
from evalhub.datasets.management.verbs import (
    Options,
    Verb,
    VerbCommand,
    dataset_of,
    filtered,
    in_dataset,
    limited,
    numbered,
    pair,
    reason_of,
    with_reason,
)
from evalhub.datasets.models import Example
from evalhub.datasets.paging import cut, place_from
from evalhub.datasets.selection import chosen_examples, number_of


# --- look ---------------------------------------------------------------------------------------
def listed(project: Project, by: User, options: Options) -> Told:
    """A part of the list, as long as --limit says; `after` is the place where it ends, empty if nothing follows."""
    dataset, wanted, after = dataset_of(project, options), filter_of(options["filter"]), options["after"]
    if after and place_from(after, wanted.order) is None:
        raise CommandError(f"“{after}” is no place in the order “{wanted.order}”: give back a place as it was told.")
    page = cut(chosen_examples(dataset, wanted), wanted.order, {"after": after}, size=options["limit"], whole=True)
    count = number_of(dataset, wanted)
    values = {"dataset": dataset.slug, "count": asdict(count), "after": page.after,
              "examples": [facts(example) for example in page.examples]}  # fmt: skip
    more = [f"There are more: --after {page.after}"] if page.after else []
    return Told(values, [f"Examples: {count}.", *map(line, page.examples), *more])


def shown(project: Project, by: User, options: Options) -> Told:
    """The example with its revisions, what happened to it, and what is known of it from the checks."""
    example = example_of(project, options)
    events, known = history_of(example), flags_now(example.dataset).filter(example=example)
    flags = list(known.order_by("kind", "reason").values("kind", "reason").distinct())
    values = {"example": facts(example), "revisions": revisions_of(example), "flags": flags,
              "events": [as_json(event) for event in events]}  # fmt: skip
    found = [f"  flag: {flag['kind']}, {flag['reason']}" for flag in flags]
    return Told(values, [line(example), *words(example), *found, *map(event_line, events)])


def duplicates(project: Project, by: User, options: Options) -> Told:
    """The example and those like it; of many the first, and how many there are."""
    example = example_of(project, options)
    cluster = cluster_of(example)
    members = shown_of(example, cluster)
    said = [f"{many(len(cluster))} alike.", *map(line, members)]
    lines = said if len(cluster) > 1 else ["The last check found no duplicate of it."]
    return Told({"count": len(cluster), "examples": [facts(member) for member in members]}, lines)


# --- change -------------------------------------------------------------------------------------
def propose(project: Project, by: User, options: Options) -> Told:
    """Text that the dataset has or had is not proposed again; the answer says how it stands."""
    dataset, origin = dataset_of(project, options), dict(pair("--origin", text) for text in options["origin"])
    made = actions.propose_by_hand(dataset, by=by, values=values_of(options), origin=origin)
    more = [] if made.is_new else ["The dataset has or had exactly this text; it stands as it was decided."]
    return told(made.example, *more, is_new=made.is_new)


def edit(project: Project, by: User, options: Options) -> Told:
    example, values = example_of(project, options), values_of(options)
    expected, reason = options["revision"], reason_of(options)
    return told(actions.edit_example(example, by=by, values=values, reason=reason, expected_revision=expected))


def comment(project: Project, by: User, options: Options) -> Told:
    example = example_of(project, options)
    said = actions.comment(example, by=by, text=options["text"])
    return Told({"example": facts(example), "comment": dict(CommentSerializer(said).data)}, [f"{by}: {said.text}"])


def delete(project: Project, by: User, options: Options) -> Told:
    example = example_of(project, options)
    values, name = {"dataset": example.dataset.slug, "example": example.pk, "deleted": True}, str(example)
    actions.delete_example(example, by=by)
    return Told(values, [f"{name} is deleted."])


# --- decide -------------------------------------------------------------------------------------
def approve(project: Project, by: User, options: Options) -> Told:
    return told(actions.approve(example_of(project, options), by=by, **seen(options)))


def reject(project: Project, by: User, options: Options) -> Told:
    return told(actions.reject(example_of(project, options), by=by, reason=reason_of(options), **seen(options)))


def approve_instead(project: Project, by: User, options: Options) -> Told:
    example = example_of(project, options)
    former = actions.approve_instead(example, by=by, expected_revision=options["revision"])
    rejected = [other.pk for other in former]
    said = f"Rejected: {', '.join(map(str, rejected)) or 'none'}."
    return told(example_of(project, options), said, rejected=rejected)


def keep(project: Project, by: User, options: Options) -> Told:
    example = example_of(project, options)
    rejected = actions.keep_one(example, by=by, expected_revision=options["revision"])
    return told(example_of(project, options), f"{many(rejected)} like it rejected.", rejected=rejected)


def seen(options: Options) -> dict[str, Any]:
    return {"expected_state": options["state"], "expected_revision": options["revision"]}


def example_of(project: Project, options: Options) -> Example:
    dataset = dataset_of(project, options)
    example = dataset.examples.select_related("dataset").filter(pk=options["number"]).first()
    if example is None:
        raise CommandError(f"{dataset} has no example {options['number']}.")
    return example


def told(example: Example, *more: str, **values: Any) -> Told:
    return Told({"dataset": example.dataset.slug, "example": facts(example), **values}, [line(example), *more])


# --- what the verbs are told --------------------------------------------------------------------
def placed(parser: ArgumentParser) -> None:
    parser.add_argument("--after", default="", metavar="PLACE", help="where the part before ended, as it was told")


def as_revision(parser: ArgumentParser) -> None:
    parser.add_argument("--revision", type=int, metavar="N", help="refuse if it has another revision by now")


def as_state(parser: ArgumentParser) -> None:
    parser.add_argument("--state", choices=Example.State.values, default="", help="refuse if it is no longer so")


def from_where(parser: ArgumentParser) -> None:
    parser.add_argument("--origin", action="append", default=[], metavar="NAME=TEXT",
                        help=f"where it comes from: {', '.join(GIVEN)}")  # fmt: skip


def saying(parser: ArgumentParser) -> None:
    parser.add_argument("--text", required=True, help="what you have to say")


ONE = numbered("example")
LOOK, CURATE = Right.VIEW_DATA, Right.CURATE


class Command(VerbCommand):
    help = "Examples one by one. bulk_examples changes many, export_examples writes them to a file."
    verbs = (
        Verb("list", LOOK, listed, "Examples by a filter, from place to place.",
             (in_dataset, filtered, limited(50, 500), placed)),
        Verb("show", LOOK, shown, "One example: texts, revisions, decisions, comments, flags.", (ONE,)),
        Verb("duplicates", LOOK, duplicates, "It and those that the last check found to be like it.", (ONE,)),
        Verb("propose", CURATE, propose, "A new example, which waits for approval.",
             (in_dataset, with_texts, from_where)),
        Verb("edit", CURATE, edit, "Change texts or properties; the former state stays as a revision.",
             (ONE, with_texts, with_reason, as_revision)),
        Verb("approve", CURATE, approve, "Let it into the next version.", (ONE, as_state, as_revision)),
        Verb("reject", CURATE, reject, "Keep it out of later versions.", (ONE, with_reason, as_state, as_revision)),
        Verb("approve-instead", CURATE, approve_instead,
             "Approve it, and reject the approved ones that ask exactly the same.", (ONE, as_revision)),
        Verb("keep", CURATE, keep, "Keep this one of its duplicates, and reject the others.", (ONE, as_revision)),
        Verb("comment", CURATE, comment, "Say something about it, for all who see it.", (ONE, saying)),
        Verb("delete", CURATE, delete, "Delete it with its revisions; refused while a version holds it.", (ONE,)),
    )  # fmt: skip
