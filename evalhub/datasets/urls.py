"""Addresses of the datasets room: pages (urlpatterns) and API (api_urlpatterns)."""

from django.urls import URLPattern, URLResolver, path, re_path

from evalhub.datasets import api
from evalhub.datasets.views import bringing, collection, review, versions

HOME = "p/<slug:project_slug>/data/"
ONE = f"{HOME}<slug:dataset_slug>/"
ONE_RE = r"^p/(?P<project_slug>[-\w]+)/data/(?P<dataset_slug>[-\w]+)/"

app_name = "datasets"
urlpatterns: list[URLPattern | URLResolver] = [
    path(HOME, collection.dataset_list, name="list"),
    path(f"{HOME}+new/", collection.create, name="create"),
    path(ONE, collection.detail, name="detail"),
    path(f"{ONE}describe/", collection.describe, name="describe"),
    path(f"{ONE}freeze/", collection.freeze, name="freeze"),
    re_path(rf"{ONE_RE}charts/(?P<name>balance|lengths)\.json$", collection.chart, name="chart"),
    path(f"{ONE}import/", bringing.upload, name="import"),
    path(f"{ONE}import/preview/", bringing.look, name="preview"),
    path(f"{ONE}import/store/", bringing.store, name="store"),
    path(f"{ONE}import/forget/", bringing.forget, name="forget"),
    path(f"{ONE}imports/<int:pk>/", bringing.batch, name="batch"),
    path(f"{ONE}imports/<int:pk>/live/", bringing.batch_live, name="batch_live"),
    path(f"{ONE}imports/<int:pk>/cancel/", bringing.cancel, name="cancel_import"),
    path(f"{ONE}imports/<int:pk>/retry/", bringing.retry, name="retry_import"),
    re_path(rf"{ONE_RE}imports/(?P<pk>\d+)/problems\.(?P<ending>csv|jsonl)$", bringing.batch_report, name="report"),
    path(f"{ONE}imports/<int:pk>/file/", bringing.batch_file, name="file"),
    path(f"{ONE}examples.csv", versions.examples_file, name="examples_file"),
    path(f"{ONE}examples/decide/", review.decide_many, name="decide_many"),
    path(f"{ONE}examples/<int:pk>/", review.example, name="example"),
    path(f"{ONE}examples/<int:pk>/edit/", review.edit, name="edit"),
    path(f"{ONE}examples/<int:pk>/decide/", review.decide, name="decide"),
    path(f"{ONE}versions/<int:number>/", versions.version, name="version"),
    re_path(
        rf"{ONE_RE}versions/(?P<number>\d+)/(?P<split>all|train|validation|test)\.jsonl$",
        versions.version_file,
        name="version_file",
    ),
]
API = "projects/<slug:project_slug>/datasets/"
API_ONE = f"{API}<slug:dataset_slug>/"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(API, api.DatasetList.as_view(), name="datasets"),
    path(API_ONE, api.DatasetDetail.as_view(), name="dataset"),
    path(f"{API_ONE}readiness/", api.Readiness.as_view(), name="readiness"),
    path(f"{API_ONE}imports/", api.ImportList.as_view(), name="imports"),
    path(f"{API_ONE}imports/<int:pk>/", api.ImportDetail.as_view(), name="import"),
    path(f"{API_ONE}imports/<int:pk>/cancel/", api.ImportCancel.as_view(), name="cancel_import"),
    path(f"{API_ONE}imports/<int:pk>/retry/", api.ImportRetry.as_view(), name="retry_import"),
    path(f"{API_ONE}examples/", api.ExampleList.as_view(), name="examples"),
    path(f"{API_ONE}examples/<int:pk>/", api.ExampleDetail.as_view(), name="example"),
    path(
        f"{API_ONE}examples/<int:pk>/approve/", api.ExampleDecision.as_view(), {"decision": "approve"}, name="approve"
    ),
    path(f"{API_ONE}examples/<int:pk>/reject/", api.ExampleDecision.as_view(), {"decision": "reject"}, name="reject"),
    path(f"{API_ONE}versions/", api.VersionList.as_view(), name="versions"),
    path(f"{API_ONE}versions/<int:number>/", api.VersionDetail.as_view(), name="version"),
    path(f"{API_ONE}versions/<int:number>/download/", api.VersionDownload.as_view(), name="version_download"),
]
