"""Every address: each room brings its pages and its part of the API. Project pages live under /p/<slug>/."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from evalhub.accounts import urls as accounts
from evalhub.datasets import urls as datasets
from evalhub.jobs import urls as jobs
from evalhub.reports import urls as reports
from evalhub.runs import urls as runs
from evalhub.studies import urls as studies

handler500 = "evalhub.accounts.middleware.broken"
ROOMS = (accounts, jobs, datasets, runs, studies, reports)

urlpatterns = [
    path("django-admin/", admin.site.urls),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    *(path("api/v1/", include((room.api_urlpatterns, f"api-{room.app_name}"))) for room in ROOMS),
    *(path("", include((room.urlpatterns, room.app_name))) for room in ROOMS),
]
