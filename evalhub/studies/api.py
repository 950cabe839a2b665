"""Studies over HTTP: the same actions and the same policy as the pages. Raters' answers are made of BlindItem."""

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.http import Http404, StreamingHttpResponse
from django.urls import URLPattern, URLResolver, path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes
from rest_framework.exceptions import PermissionDenied
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.models import Project, User
from evalhub.accounts.permissions import Right, may, project_for
from evalhub.errors import Refused
from evalhub.runs.models import GenerationRun
from evalhub.studies import actions
from evalhub.studies.blinding import BlindItem, preview_item
from evalhub.studies.design import DEFAULT_SCALE, ArmDesign, CriterionDesign
from evalhub.studies.downloads import ratings_file
from evalhub.studies.forms import experts_of
from evalhub.studies.identity import identity_warnings
from evalhub.studies.intake import ImportRefused, import_upload
from evalhub.studies.models import Study
from evalhub.studies.naming import arm_names, facts_shown, is_blind, names_shown, told_texts
from evalhub.studies.progress import open_flags, study_progress
from evalhub.studies.rating import SKIP_REASONS, NotARater, Waiting, rater_of

# --- shapes ---------------------------------------------------------------------------------------


class ArmIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    run = serializers.IntegerField(help_text="The number of a succeeded generation run.")
    baseline = serializers.BooleanField(default=False)


class CriterionIn(serializers.Serializer[Any]):
    key = serializers.SlugField(max_length=40)
    name = serializers.CharField(max_length=80)
    question = serializers.CharField(max_length=255, allow_blank=True, default="")
    anchors = serializers.DictField(child=serializers.CharField(), default=dict, help_text="Scale point → meaning.")
    weight = serializers.FloatField(default=1.0)


class StudyIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=160)
    arms = ArmIn(many=True)
    criteria = CriterionIn(many=True, required=False, allow_null=True, default=None)
    raters = serializers.ListField(child=serializers.CharField(), default=list, help_text="User names of experts.")
    overlap = serializers.IntegerField(min_value=1, default=2)
    scale = serializers.ListField(
        child=serializers.IntegerField(), min_length=2, max_length=2, default=list(DEFAULT_SCALE),
        help_text="Lowest and highest point, both whole numbers.",
    )  # fmt: skip
    items = serializers.IntegerField(min_value=1, allow_null=True, default=None)
    margin = serializers.FloatField(min_value=0, default=0.5)
    primary_criterion = serializers.CharField(default="overall")
    guidelines = serializers.CharField(allow_blank=True, default="")
    ask_preference = serializers.BooleanField(default=False)
    show_reference = serializers.BooleanField(default=False)
    seed = serializers.IntegerField(min_value=0, max_value=2**31 - 1, default=7)
    description = serializers.CharField(allow_blank=True, default="")
    credit = serializers.CharField(allow_blank=True, default="")


class ArmOut(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Arm 1, Arm 2 … until the arms are revealed.")
    position = serializers.IntegerField()
    is_baseline = serializers.BooleanField(
        allow_null=True, help_text="Null until the arms are revealed, except for those who design studies."
    )
    run = serializers.IntegerField(allow_null=True, help_text="Null until the arms are revealed.")


class CriterionOut(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    question = serializers.CharField()
    anchors = serializers.DictField()
    weight = serializers.FloatField()


class ProgressOut(serializers.Serializer[Any]):
    done = serializers.IntegerField()
    wanted = serializers.IntegerField()
    in_hand = serializers.IntegerField()
    skipped = serializers.IntegerField()
    flags = serializers.IntegerField()
    seconds_per_item = serializers.FloatField(allow_null=True)


class StudyOut(serializers.ModelSerializer[Study]):
    facts = serializers.SerializerMethodField()
    description = serializers.SerializerMethodField(help_text="Empty for those who read the study blind.")
    credit = serializers.SerializerMethodField(help_text="Empty for those who read the study blind.")

    def get_description(self, study: Study) -> str:
        return told_texts(study, blind=self.is_blind(study))["description"]

    def get_credit(self, study: Study) -> str:
        return told_texts(study, blind=self.is_blind(study))["credit"]

    def is_blind(self, study: Study) -> bool:
        return is_blind(study, designs=bool(self.context.get("designs")))

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_facts(self, study: Study) -> dict[str, Any]:
        return facts_shown(study, shown=self.names_arms(study))

    def names_arms(self, study: Study) -> bool:
        """A draft names its arms to those who design it; an opened study to nobody before they are revealed."""
        is_own_draft = study.state == Study.State.DRAFT and bool(self.context.get("designs"))
        return is_own_draft or names_shown(study)

    class Meta:
        model = Study
        fields = (
            "slug", "name", "description", "credit", "state", "origin", "scale_min", "scale_max", "overlap",
            "ask_preference", "show_reference", "guidelines_version", "primary_criterion", "margin", "seed",
            "created_at", "opened_at", "closed_at", "revealed_at", "facts",
        )  # fmt: skip


class StudyDetailOut(StudyOut):
    arms = serializers.SerializerMethodField()
    criteria = CriterionOut(many=True)
    raters = serializers.SerializerMethodField(help_text="Pseudonyms.")
    progress = serializers.SerializerMethodField()

    class Meta(StudyOut.Meta):
        fields = (*StudyOut.Meta.fields, "guidelines", "arms", "criteria", "raters", "progress")  # type: ignore[assignment]  # more than the parent

    @extend_schema_field(ArmOut(many=True))
    def get_arms(self, study: Study) -> list[dict[str, Any]]:
        shown, arms = self.names_arms(study), study.arms.in_bulk()
        blind = self.is_blind(study)
        runs = dict(study.arms.values_list("pk", "generation__run"))
        return [
            {
                "name": name,
                "position": position,
                "is_baseline": None if blind else arms[pk].is_baseline,
                "run": runs[pk] if shown else None,
            }
            for position, (pk, name) in enumerate(arm_names(study, shown=shown).items(), 1)
        ]

    def get_raters(self, study: Study) -> list[str]:
        return list(study.raters.values_list("pseudonym", flat=True))

    @extend_schema(responses=ProgressOut)
    def get_progress(self, study: Study) -> dict[str, Any]:
        return dict(ProgressOut(study_progress(study)).data)


class OpenIn(serializers.Serializer[Any]):
    accept_warnings = serializers.BooleanField(default=False)


class RaterIn(serializers.Serializer[Any]):
    username = serializers.CharField()


class DraftIn(serializers.Serializer[Any]):
    scores = serializers.DictField(child=serializers.IntegerField(), default=dict, help_text='"accuracy-A" → 8')
    preference = serializers.CharField(allow_blank=True, default="", help_text="A letter, tie or unacceptable.")
    comment = serializers.CharField(allow_blank=True, default="")
    corrections = serializers.DictField(child=serializers.CharField(allow_blank=True), default=dict)
    seconds = serializers.FloatField(min_value=0, default=0)


class NumberedDraftIn(DraftIn):
    number = serializers.IntegerField(min_value=1, max_value=2**53, help_text="Rises; an older draft loses.")


class SubmitIn(DraftIn):
    key = serializers.UUIDField(help_text="Idempotency key: the same key stores nothing new.")
    revises = serializers.IntegerField(min_value=0, default=0, help_text="The revision shown; 0 for a first submit.")


class SkipIn(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=list(SKIP_REASONS.items()))
    text = serializers.CharField(allow_blank=True, default="")


class FlagIn(serializers.Serializer[Any]):
    text = serializers.CharField()


class FlagOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    item = serializers.CharField(source="assignment.item.key")
    rater = serializers.CharField(source="assignment.rater.pseudonym")
    text = serializers.CharField()
    created_at = serializers.DateTimeField()


class WarningOut(serializers.Serializer[Any]):
    where = serializers.CharField(help_text="An item's key, or a field of the study.")
    arm = serializers.CharField()
    found = serializers.CharField()
    excerpt = serializers.CharField()


class RatingsFileIn(serializers.Serializer[Any]):
    file = serializers.FileField()
    name = serializers.CharField(max_length=160)
    scale_min = serializers.IntegerField(default=1)
    scale_max = serializers.IntegerField(default=10)
    baseline = serializers.CharField(allow_blank=True, default="")
    description = serializers.CharField(allow_blank=True, default="")
    credit = serializers.CharField(allow_blank=True, default="")


NextOut = inline_serializer(
    "NextOut",
    {
        "item": serializers.DictField(allow_null=True, help_text="Task, answers under letters, criteria, draft."),
        "waiting": serializers.DictField(allow_null=True, help_text="reason, sentence, reserved, minutes, progress."),
    },
)

# --- studies --------------------------------------------------------------------------------------


def person_of(request: Request) -> User:
    return cast(User, request.user)


def study_of(project: Project, slug: str) -> Study:
    study = Study.objects.filter(project=project, slug=slug).first()
    if study is None:
        raise Http404("There is no such study.")
    return study


def for_designers(study: Study) -> dict[str, Any]:
    return dict(StudyDetailOut(study, context={"designs": True}).data)


def checked(shape: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    given = shape(data=request.data)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


@extend_schema(methods=["GET"], responses=StudyOut(many=True))
@extend_schema(methods=["POST"], request=StudyIn, responses={201: StudyDetailOut})
@api_view(["GET", "POST"])
def studies(request: Request, project_slug: str) -> Response:
    """The project's studies; POST makes a draft of one."""
    if request.method == "GET":
        project = project_for(person_of(request), project_slug, Right.READ_REPORTS)
        context = {"designs": may(person_of(request), project, Right.DESIGN)}
        return Response(StudyOut(project.studies.all(), many=True, context=context).data)
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    values = checked(StudyIn, request)
    values["arms"] = [arm_of(project, arm) for arm in values["arms"]]
    values["criteria"] = None if values["criteria"] is None else [criterion_of(c) for c in values["criteria"]]
    values["scale"] = tuple(values["scale"])
    values["raters"] = [expert_named(project, name) for name in values["raters"]]
    study = actions.create_study(project, by=person_of(request), **values)
    return Response(for_designers(study), status=201)


def arm_of(project: Project, arm: dict[str, Any]) -> ArmDesign:
    generation = GenerationRun.objects.filter(run__project=project, run=arm["run"]).select_related("run").first()
    if generation is None:
        raise Refused(f"Run {arm['run']} is no generation run of this project.", field="arms")
    return ArmDesign(arm["name"], generation, arm["baseline"])


def criterion_of(values: dict[str, Any]) -> CriterionDesign:
    try:
        anchors = {int(point): text for point, text in values["anchors"].items()}
    except ValueError:
        raise serializers.ValidationError({"criteria": "An anchor's point must be a whole number."}) from None
    return CriterionDesign(**(values | {"anchors": anchors}))


def expert_named(project: Project, username: str) -> User:
    user = experts_of(project).filter(username=username).first()
    if user is None:
        raise Refused(f"{username} is not an expert of this project; invite them first.", field="raters")
    return cast(User, user)


@extend_schema(methods=["GET"], responses=StudyDetailOut)
@extend_schema(methods=["DELETE"], request=None, responses={204: None})
@api_view(["GET", "DELETE"])
def study(request: Request, project_slug: str, study_slug: str) -> Response:
    """One study; DELETE discards a draft that has never been opened."""
    user = person_of(request)
    if request.method == "DELETE":
        project = project_for(user, project_slug, Right.DESIGN)
        actions.discard_study(study_of(project, study_slug), by=user)
        return Response(status=204)
    project = project_for(user, project_slug, Right.READ_REPORTS)
    context = {"designs": may(user, project, Right.DESIGN)}
    return Response(StudyDetailOut(study_of(project, study_slug), context=context).data)


@extend_schema(request=OpenIn, responses=StudyDetailOut)
@api_view(["POST"])
def open_study(request: Request, project_slug: str, study_slug: str) -> Response:
    """Make the slots and let raters in. 409 with the first finding when the identity scan has not been accepted."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    values = checked(OpenIn, request)
    opened = actions.open_study(study_of(project, study_slug), by=person_of(request), **values)
    return Response(for_designers(opened))


def step(action: Callable[..., Study], words: str) -> Callable[..., Any]:
    """An endpoint that moves a study from one state to the next."""

    @extend_schema(request=None, responses=StudyDetailOut, description=words, operation_id=action.__name__)
    @api_view(["POST"])
    def endpoint(request: Request, project_slug: str, study_slug: str) -> Response:
        project = project_for(person_of(request), project_slug, Right.DESIGN)
        moved = action(study_of(project, study_slug), by=person_of(request))
        return Response(for_designers(moved))

    return cast(Callable[..., Any], endpoint)


pause = step(actions.pause_study, "No new items are handed out; what is under way may still be submitted.")
resume = step(actions.resume_study, "Hand out items again.")
close = step(actions.close_study, "End the rating.")
reveal = step(actions.reveal, "Show which arm wrote which answer; only after closing, and logged.")


@extend_schema(responses=WarningOut(many=True))
@api_view(["GET"])
def scan(request: Request, project_slug: str, study_slug: str) -> Response:
    """The identity scan: texts that give away who wrote them."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    return Response(WarningOut(identity_warnings(study_of(project, study_slug)), many=True).data)


@extend_schema(responses=OpenApiTypes.OBJECT)
@api_view(["GET"])
def preview(request: Request, project_slug: str, study_slug: str) -> Response:
    """The first item as a rater would meet it; nothing is stored."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    item = preview_item(study_of(project, study_slug))
    if item is None:
        raise Http404("This study has no items.")
    return Response(item.as_json())


@extend_schema(responses=FlagOut(many=True))
@api_view(["GET"])
def flags(request: Request, project_slug: str, study_slug: str) -> Response:
    """What raters flagged and nobody has resolved yet, the newest first."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    return Response(FlagOut(open_flags(study_of(project, study_slug)), many=True).data)


@extend_schema(request=None, responses={204: None})
@api_view(["POST"])
def resolve_flag(request: Request, project_slug: str, study_slug: str, pk: int) -> Response:
    """Take a flag off the list of those to look at."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    actions.resolve_flag(study_of(project, study_slug), flag=pk, by=person_of(request))
    return Response(status=204)


@extend_schema(request=RaterIn, responses={201: inline_serializer("RaterOut", {"pseudonym": serializers.CharField()})})
@api_view(["POST"])
def raters(request: Request, project_slug: str, study_slug: str) -> Response:
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    user = expert_named(project, checked(RaterIn, request)["username"])
    rater = actions.add_rater(study_of(project, study_slug), user=user, by=person_of(request))
    return Response({"pseudonym": rater.pseudonym}, status=201)


@extend_schema(request=None, responses=inline_serializer("ProposedOut", {"examples": serializers.ListField()}))
@api_view(["POST"])
def corrections(request: Request, project_slug: str, study_slug: str) -> Response:
    """Propose raters' corrected answers to the dataset they came from."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    proposed = actions.propose_corrections(study_of(project, study_slug), by=person_of(request))
    return Response({"examples": [example.pk for example in proposed]})


@extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, (200, "application/x-ndjson"): OpenApiTypes.STR})
@api_view(["GET"])
def ratings(request: Request, project_slug: str, study_slug: str, form: str) -> StreamingHttpResponse:
    """The long table: one row per value."""
    user = person_of(request)
    project = project_for(user, project_slug, Right.READ_REPORTS)
    study = study_of(project, study_slug)
    if study.state != Study.State.CLOSED and not may(user, project, Right.DESIGN):
        raise PermissionDenied("The ratings can be downloaded when the study has closed.")
    return ratings_file(study, form)


@extend_schema(request={"multipart/form-data": RatingsFileIn}, responses={201: StudyDetailOut})
@api_view(["POST"])
@parser_classes([MultiPartParser])
def import_ratings(request: Request, project_slug: str) -> Response:
    """A closed study from a long table; all rows or none. 409 with every problem by line."""
    project = project_for(person_of(request), project_slug, Right.DESIGN)
    values = checked(RatingsFileIn, request)
    upload, scale = values.pop("file"), (values.pop("scale_min"), values.pop("scale_max"))
    try:
        study = import_upload(project, upload=upload, by=person_of(request), scale=scale, **values)
    except ImportRefused as refusal:
        problems = [{"line": p.line, "field": p.field, "reason": p.reason} for p in refusal.problems]
        return Response({"detail": refusal.message, "field": "file", "problems": problems}, status=409)
    return Response(for_designers(study), status=201)


# --- raters ---------------------------------------------------------------------------------------


def rated_study(request: Request, project_slug: str, study_slug: str) -> Study:
    """The study, if the caller rates in it; 404 for everybody else of the project's experts."""
    project = project_for(person_of(request), project_slug, Right.RATE)
    study = Study.objects.filter(project=project, slug=study_slug).exclude(state=Study.State.DRAFT).first()
    try:
        if study is None:
            raise NotARater
        rater_of(study, person_of(request))
    except NotARater:
        raise Http404("There is no such study.") from None
    return study


def told(shown: BlindItem | Waiting) -> Response:
    is_item = isinstance(shown, BlindItem)
    return Response({"item": shown.as_json() if is_item else None, "waiting": None if is_item else shown.as_json()})


@extend_schema(request=None, responses=NextOut)
@api_view(["POST"])
def next_item(request: Request, project_slug: str, study_slug: str) -> Response:
    """One's own item, or the next one, leased; or why there is none."""
    study = rated_study(request, project_slug, study_slug)
    return told(actions.claim_next(study, user=person_of(request)))


@extend_schema(request=NumberedDraftIn, responses=inline_serializer("DraftOut", {"number": serializers.IntegerField()}))
@api_view(["PUT"])
def draft(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    study = rated_study(request, project_slug, study_slug)
    values = checked(NumberedDraftIn, request)
    kept = actions.save_draft(study, user=person_of(request), token=token, draft=values)
    return Response({"number": kept.number})


@extend_schema(request=SubmitIn, responses={201: OpenApiTypes.OBJECT})
@api_view(["POST"])
def submit(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    """Store a complete rating, or an edit of one; answers with what was stored."""
    study = rated_study(request, project_slug, study_slug)
    stored = actions.submit_rating(study, user=person_of(request), token=token, **checked(SubmitIn, request))
    return Response(stored.as_json(), status=201)


@extend_schema(request=None, responses=NextOut)
@api_view(["POST"])
def undo(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    """Take the last submit of this item back, within ten seconds; its values are the draft again."""
    study = rated_study(request, project_slug, study_slug)
    return told(actions.undo(study, user=person_of(request), token=token))


@extend_schema(request=None, responses=inline_serializer("PulseOut", {"held": serializers.BooleanField()}))
@api_view(["POST"])
def pulse(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    """The heartbeat of a rater at work: extends the lease. `held` is false once the item has gone to another."""
    study = rated_study(request, project_slug, study_slug)
    return Response({"held": actions.extend_lease(study, user=person_of(request), token=token)})


@extend_schema(request=SkipIn, responses={204: None})
@api_view(["POST"])
def skip(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    study = rated_study(request, project_slug, study_slug)
    actions.skip(study, user=person_of(request), token=token, **checked(SkipIn, request))
    return Response(status=204)


@extend_schema(request=FlagIn, responses={204: None})
@api_view(["POST"])
def flag(request: Request, project_slug: str, study_slug: str, token: uuid.UUID) -> Response:
    study = rated_study(request, project_slug, study_slug)
    actions.flag(study, user=person_of(request), token=token, text=checked(FlagIn, request)["text"])
    return Response(status=204)


STUDIES = "projects/<slug:project_slug>/studies/"
STUDY = f"{STUDIES}<slug:study_slug>/"
urls: list[URLPattern | URLResolver] = [
    path(STUDIES, studies, name="studies"),
    path(f"{STUDIES}import/", import_ratings, name="import_ratings"),
    path(STUDY, study, name="study"),
    path(f"{STUDY}open/", open_study, name="open_study"),
    path(f"{STUDY}pause/", pause, name="pause_study"),
    path(f"{STUDY}resume/", resume, name="resume_study"),
    path(f"{STUDY}close/", close, name="close_study"),
    path(f"{STUDY}reveal/", reveal, name="reveal_study"),
    path(f"{STUDY}scan/", scan, name="scan"),
    path(f"{STUDY}preview/", preview, name="preview"),
    path(f"{STUDY}flags/", flags, name="flags"),
    path(f"{STUDY}flags/<int:pk>/resolve/", resolve_flag, name="resolve_flag"),
    path(f"{STUDY}raters/", raters, name="raters"),
    path(f"{STUDY}corrections/", corrections, name="corrections"),
    path(f"{STUDY}ratings.<str:form>", ratings, name="ratings"),
    path(f"{STUDY}next/", next_item, name="next"),
    path(f"{STUDY}items/<uuid:token>/draft/", draft, name="draft"),
    path(f"{STUDY}items/<uuid:token>/submit/", submit, name="submit"),
    path(f"{STUDY}items/<uuid:token>/undo/", undo, name="undo"),
    path(f"{STUDY}items/<uuid:token>/pulse/", pulse, name="pulse"),
    path(f"{STUDY}items/<uuid:token>/skip/", skip, name="skip"),
    path(f"{STUDY}items/<uuid:token>/flag/", flag, name="flag"),
]
