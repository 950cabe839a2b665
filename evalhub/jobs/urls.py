"""Addresses of jobs: pages (urlpatterns) and API (api_urlpatterns)."""

from django.urls import URLPattern, URLResolver, path

from evalhub.jobs import api, views

app_name = "jobs"
JOB = "p/<slug:project_slug>/jobs/<int:pk>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:project_slug>/jobs/", views.job_list, name="list"),
    path(f"{JOB}/", views.detail, name="detail"),
    path(f"{JOB}/live/", views.live, name="live"),
    path(f"{JOB}/output/", views.output, name="output"),
    path(f"{JOB}/cancel/", views.cancel, name="cancel"),
    path(f"{JOB}/retry/", views.retry, name="retry"),
]

API = "projects/<slug:project_slug>/jobs"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{API}/", api.Jobs.as_view(), name="jobs"),
    path(f"{API}/<int:pk>/", api.JobDetail.as_view(), name="job"),
    path(f"{API}/<int:pk>/output/", api.Output.as_view(), name="output"),
    path(f"{API}/<int:pk>/cancel/", api.Cancel.as_view(), name="cancel"),
    path(f"{API}/<int:pk>/retry/", api.Retry.as_view(), name="retry"),
]
