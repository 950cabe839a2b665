"""Jobs over HTTP: how far they are, what they told, their file, stop and again."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evalhub.accounts.api import caller
from evalhub.accounts.permissions import Right, project_for
from evalhub.jobs import actions
from evalhub.jobs.downloads import part_of_file
from evalhub.jobs.models import Job
from evalhub.jobs.reading import jobs_of


class JobOut(serializers.ModelSerializer[Job]):
    created_by = serializers.CharField(source="created_by.username")
    output = serializers.CharField(source="output_name", help_text="Name of the file it wrote; empty for none.")

    class Meta:
        model = Job
        fields: ClassVar = (
            "id", "command", "title", "options", "state", "created_by", "created_at", "finished_at", "heartbeat_at",
            "attempt", "done", "total", "eta_seconds", "message", "result", "lines", "link", "output",
        )  # fmt: skip


class JobView(generics.GenericAPIView[Job]):
    serializer_class = JobOut

    def get_queryset(self) -> QuerySet[Job]:
        if getattr(self, "swagger_fake_view", False):
            return Job.objects.none()
        person = caller(self.request)
        return jobs_of(project_for(person, self.kwargs["project_slug"], Right.ENTER), person)


class Jobs(JobView, generics.ListAPIView[Job]):
    """The jobs of a project, newest first: an admin sees all, others their own."""


class JobDetail(JobView, generics.RetrieveAPIView[Job]):
    """How far a job is, and what it told."""


class Output(JobView):
    """The file that a job wrote; Range goes on with a download that broke off."""

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        job = self.get_object()
        if not job.output.name or not job.output.storage.exists(job.output.name):
            raise Http404("This job keeps no file.")
        return part_of_file(request._request, job.output, name=job.output_name)


class Cancel(JobView):
    """Stop a job: nothing of it is kept."""

    @extend_schema(request=None, responses={200: JobOut, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(JobOut(actions.cancel_job(self.get_object(), by=caller(request))).data)


class Retry(JobView):
    """The same again, for a job that failed or was stopped."""

    @extend_schema(request=None, responses={200: JobOut, 409: OpenApiTypes.OBJECT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(JobOut(actions.retry_job(self.get_object(), by=caller(request))).data)
