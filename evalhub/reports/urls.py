"""Addresses of the reports room: pages (urlpatterns) and API (api_urlpatterns)."""

from django.urls import URLPattern, URLResolver, path

from evalhub.reports import api, views

app_name = "reports"
PROJECT = "p/<slug:project_slug>/"
REPORT = f"{PROJECT}reports/<slug:study_slug>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path(PROJECT, views.home, name="home"),
    path(f"{PROJECT}under-way/", views.under_way, name="under_way"),
    path(f"{PROJECT}reports/", views.reports, name="list"),
    path(REPORT, views.report, name="report"),
    path(f"{REPORT}report.json", views.numbers, name="numbers"),
    path(f"{REPORT}charts/<slug:name>.json", views.chart, name="chart"),
    path(f"{REPORT}figures/<slug:name>.<slug:form>", views.figure, name="figure"),
    path(f"{REPORT}items/", views.item_list, name="items"),
    path(f"{REPORT}items/<int:pk>/", views.item, name="item"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:project_slug>/studies/<slug:study_slug>/report/", api.report, name="report"),
]
