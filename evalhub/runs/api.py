"""Models, runs and answers over HTTP: the same actions as the pages, the same policy."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, parsers, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.api import caller, checked
from evalhub.accounts.models import Project
from evalhub.accounts.permissions import Right, project_for
from evalhub.datasets.models import Split, Version
from evalhub.runs import actions, places, reading
from evalhub.runs.models import Answer, Model, PromptTemplate, Run, Score
from training.presets import DEFAULT_PRESET, PRESETS

READING = ("GET", "HEAD", "OPTIONS")


def sees_paths(context: Mapping[str, Any]) -> bool:
    """Whether an answer goes to somebody who knows this machine's folders anyway."""
    return bool("request" in context and caller(context["request"]).is_superuser)


class ModelOut(serializers.ModelSerializer[Model]):
    reference = serializers.SerializerMethodField(help_text="Of a local folder its name; superusers see the path.")
    loaded = serializers.BooleanField(
        read_only=True, help_text="A run has loaded it; until then a hub id is unchecked."
    )

    class Meta:
        model = Model
        fields = (
            "id", "name", "kind", "reference", "base", "content_hash", "template_hash", "facts", "loaded",
            "created_at",
        )  # fmt: skip

    def get_reference(self, model: Model) -> str:
        return places.shown(model.reference, whole=sees_paths(self.context))


class ModelIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=[Model.Kind.BASE, Model.Kind.ENDPOINT], default=Model.Kind.BASE)
    reference = serializers.CharField(max_length=500)
    facts = serializers.DictField(required=False, default=dict)


class RunOut(serializers.ModelSerializer[Run]):
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Run
        fields: ClassVar[tuple[str, ...]] = (
            "id", "kind", "name", "state", "queue", "requested_by", "created_at", "started_at", "finished_at",
            "heartbeat_at", "attempt", "done", "total", "unit", "eta_seconds", "message", "retry_of",
        )  # fmt: skip


class WholeRunOut(RunOut):
    model = serializers.SerializerMethodField(help_text="The adapter that a training left, or the model that answered.")
    spec = serializers.SerializerMethodField(help_text="What was asked for; of a local folder its name alone.")

    class Meta(RunOut.Meta):
        fields = (*RunOut.Meta.fields, "model", "spec", "result")

    def get_spec(self, run: Run) -> dict[str, Any]:
        known = {"base_model": places.shown(run.spec["base_model"])} if "base_model" in run.spec else {}
        return {**run.spec, **known}

    def get_model(self, run: Run) -> int | None:
        if run.kind == Run.Kind.TRAINING:
            return run.training.adapter_id
        return run.generation.model_id if run.kind == Run.Kind.GENERATION else None


class AskIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=160, required=False, default="", allow_blank=True)
    request_key = serializers.CharField(
        max_length=64, required=False, default="", help_text="Your own token: sent twice, it still asks once."
    )


class TrainingIn(AskIn):
    base = serializers.IntegerField()
    version = serializers.IntegerField()
    template = serializers.IntegerField(required=False, allow_null=True, default=None)
    preset = serializers.ChoiceField(choices=list(PRESETS), default=DEFAULT_PRESET)
    settings = serializers.DictField(required=False, default=dict)


class GenerationIn(AskIn):
    model = serializers.IntegerField()
    version = serializers.IntegerField()
    split = serializers.ChoiceField(choices=Split.choices, default=Split.TEST)
    template = serializers.IntegerField(required=False, allow_null=True, default=None)
    engine = serializers.ChoiceField(choices=["transformers", "vllm", "openai"], required=False, default="")
    sampling = serializers.DictField(required=False, default=dict)


class ScoringIn(serializers.Serializer[Any]):
    run = serializers.IntegerField(help_text="The generation run.")
    metrics = serializers.ListField(child=serializers.CharField(), required=False, allow_null=True, default=None)
    request_key = serializers.CharField(max_length=64, required=False, default="")


class RetryIn(serializers.Serializer[Any]):
    request_key = serializers.CharField(max_length=64, required=False, default="")


class AnswersIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    version = serializers.IntegerField()
    split = serializers.ChoiceField(choices=Split.choices, default=Split.TEST)
    file = serializers.FileField()


class AnswersStored(serializers.Serializer[Any]):
    run = serializers.IntegerField()
    answers = serializers.IntegerField()
    left_out = serializers.ListField(child=serializers.CharField())


class ScoreOut(serializers.ModelSerializer[Score]):
    class Meta:
        model = Score
        fields = ("metric", "value", "scorer")


class AnswerOut(serializers.ModelSerializer[Answer]):
    key = serializers.SerializerMethodField()
    position = serializers.IntegerField(source="entry.position")
    scores = ScoreOut(many=True)

    class Meta:
        model = Answer
        fields = (
            "id", "key", "position", "text", "error", "prompt_tokens", "output_tokens", "finish_reason",
            "latency_seconds", "scores",
        )  # fmt: skip

    def get_key(self, answer: Answer) -> str:
        return str(answer.entry.values.get("key", ""))


class LogOut(serializers.Serializer[Any]):
    lines = serializers.ListField(child=serializers.DictField())


class EventsOut(serializers.Serializer[Any]):
    metrics = serializers.ListField(child=serializers.DictField())
    samples = serializers.ListField(child=serializers.DictField())
    warnings = serializers.ListField(child=serializers.CharField())


class InProject(generics.GenericAPIView[Any]):
    """A view within a project: admins and PMs read, admins act."""

    project: Project

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        right = Right.VIEW_RUNS if request.method in READING else Right.RUN
        self.project = project_for(caller(request), kwargs["project_slug"], right)

    def run_here(self, **more: Any) -> Run:
        return get_object_or_404(reading.run_in(self.project), pk=self.kwargs["pk"], **more)

    def version_here(self, pk: int) -> Version:
        return get_object_or_404(
            Version.objects.select_related("dataset__project"), dataset__project=self.project, pk=pk
        )

    def model_here(self, pk: int) -> Model:
        return get_object_or_404(Model.objects.select_related("base"), project=self.project, pk=pk)

    def template_here(self, pk: int | None) -> PromptTemplate | None:
        return None if pk is None else get_object_or_404(PromptTemplate, project=self.project, pk=pk)


def made(run: Run) -> Response:
    """The run that was asked for; 201 also where a repeated request found it."""
    return Response(WholeRunOut(run).data, status=status.HTTP_201_CREATED)


class Models(InProject, generics.ListAPIView[Model]):
    """The registry of models; POST registers one."""

    queryset = Model.objects.none()
    serializer_class = ModelOut

    def get_queryset(self) -> QuerySet[Model]:
        return reading.models_of(self.project)

    @extend_schema(request=ModelIn, responses={201: ModelOut})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(ModelIn(data=request.data))
        model = actions.register_model(self.project, by=caller(request), **given)
        shown = self.get_queryset().get(pk=model.pk)
        return Response(self.get_serializer(shown).data, status=status.HTTP_201_CREATED)


class ModelDetail(InProject):
    queryset = Model.objects.none()
    serializer_class = ModelOut

    def get(self, request: Request, **kwargs: Any) -> Response:
        found = get_object_or_404(reading.models_of(self.project), pk=self.kwargs["pk"])
        return Response(self.get_serializer(found).data)


@extend_schema(parameters=[OpenApiParameter("kind", OpenApiTypes.STR), OpenApiParameter("state", OpenApiTypes.STR)])
class Runs(InProject, generics.ListAPIView[Run]):
    """The project's runs, newest first; `kind` and `state` choose among them."""

    queryset = Run.objects.none()
    serializer_class = RunOut

    def get_queryset(self) -> QuerySet[Run]:
        chosen = self.request.query_params
        return reading.runs_of(self.project, kind=chosen.get("kind", ""), state=chosen.get("state", ""))


class RunDetail(InProject):
    """One run with what was asked for and what it left."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(WholeRunOut(self.run_here()).data)


class Cancel(InProject):
    """Stop a run: at once while it waits, within five seconds while it runs."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=None)
    def post(self, request: Request, **kwargs: Any) -> Response:
        return Response(WholeRunOut(actions.cancel(self.run_here(), by=caller(request))).data)


class Retry(InProject):
    """The same run again from the beginning, as a new one."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=RetryIn, responses={201: WholeRunOut})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(RetryIn(data=request.data))
        return made(actions.retry(self.run_here(), by=caller(request), **given))


class Resume(InProject):
    """Go on in the run's own folder, from what it had kept."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=None)
    def post(self, request: Request, **kwargs: Any) -> Response:
        return Response(WholeRunOut(actions.resume(self.run_here(), by=caller(request))).data)


class Log(InProject):
    """The last lines of a run's log."""

    queryset = Run.objects.none()
    serializer_class = LogOut

    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response({"lines": reading.journal_of(self.run_here()).log})


class Events(InProject):
    """What a run has reported: metrics by step, samples, warnings."""

    queryset = Run.objects.none()
    serializer_class = EventsOut

    def get(self, request: Request, **kwargs: Any) -> Response:
        journal = reading.journal_of(self.run_here())
        return Response({"metrics": journal.metrics, "samples": journal.samples, "warnings": journal.warnings})


class Answers(InProject, generics.ListAPIView[Answer]):
    """A generation run's answers with their scores, also while they come."""

    queryset = Answer.objects.none()
    serializer_class = AnswerOut

    def get_queryset(self) -> QuerySet[Answer]:
        return reading.answers_of(self.run_here(kind=Run.Kind.GENERATION).generation)


class Trainings(InProject):
    """Ask for a training run."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=TrainingIn, responses={201: WholeRunOut})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(TrainingIn(data=request.data))
        given["base"] = self.model_here(given["base"])
        given["version"] = self.version_here(given["version"])
        given["template"] = self.template_here(given["template"])
        return made(actions.request_training(self.project, by=caller(request), **given))


class Generations(InProject):
    """Ask for a model's answers."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=GenerationIn, responses={201: WholeRunOut})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(GenerationIn(data=request.data))
        given["model"] = self.model_here(given["model"])
        given["version"] = self.version_here(given["version"])
        given["template"] = self.template_here(given["template"])
        return made(actions.request_generation(self.project, by=caller(request), **given))


class Scorings(InProject):
    """Ask for scores of a generation run's answers."""

    queryset = Run.objects.none()
    serializer_class = WholeRunOut

    @extend_schema(request=ScoringIn, responses={201: WholeRunOut})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(ScoringIn(data=request.data))
        run = get_object_or_404(reading.run_in(self.project), pk=given.pop("run"), kind=Run.Kind.GENERATION)
        return made(actions.request_scoring(run.generation, by=caller(request), **given))


class ImportAnswers(InProject):
    """Store answers made elsewhere: a file as multipart form data."""

    queryset = Run.objects.none()
    serializer_class = AnswersStored
    parser_classes = (parsers.MultiPartParser,)

    @extend_schema(request=AnswersIn, responses={201: AnswersStored})
    def post(self, request: Request, **kwargs: Any) -> Response:
        given = checked(AnswersIn(data=request.data))
        upload, version = given.pop("file"), self.version_here(given.pop("version"))
        with tempfile.NamedTemporaryFile() as file:
            for chunk in upload.chunks():
                file.write(chunk)
            file.flush()
            stored, left = actions.import_answers(
                version, path=Path(file.name), file_name=upload.name, by=caller(request), **given
            )
        told = {"run": stored.run_id, "answers": stored.run.done, "left_out": left}
        return Response(told, status=status.HTTP_201_CREATED)
