"""Addresses of the studies room: pages (urlpatterns) and API (api_urlpatterns)."""

from django.urls import URLPattern, URLResolver, path

from evalhub.studies import api
from evalhub.studies.views import desk, rate, studies

app_name = "studies"
RATE = "p/<slug:project_slug>/rate/<slug:study_slug>/"
STUDY = "p/<slug:project_slug>/studies/<slug:study_slug>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:project_slug>/rate/", desk.desk, name="desk"),
    path(RATE, rate.rate, name="rate"),
    path(f"{RATE}guidelines/", rate.guidelines, name="guidelines"),
    path(f"{RATE}<uuid:token>/", rate.rated, name="rated"),
    path(f"{RATE}<uuid:token>/submit/", rate.submit, name="submit"),
    path(f"{RATE}<uuid:token>/draft/", rate.draft, name="draft"),
    path(f"{RATE}<uuid:token>/pulse/", rate.pulse, name="pulse"),
    path(f"{RATE}<uuid:token>/undo/", rate.undo, name="undo"),
    path(f"{RATE}<uuid:token>/skip/", rate.skip, name="skip"),
    path(f"{RATE}<uuid:token>/flag/", rate.flag, name="flag"),
    path("p/<slug:project_slug>/studies/", studies.studies, name="list"),
    path("p/<slug:project_slug>/studies/new/", studies.new_study, name="new"),
    path("p/<slug:project_slug>/studies/import/", studies.bring_in, name="import"),
    path(STUDY, studies.detail, name="detail"),
    path(f"{STUDY}preview/", studies.preview, name="preview"),
    path(f"{STUDY}ratings.<str:form>", studies.download, name="ratings"),
    path(f"{STUDY}flags/<int:pk>/resolve/", studies.resolve_flag, name="resolve_flag"),
    path(f"{STUDY}raters/", studies.add_rater, name="add_rater"),
    path(f"{STUDY}<str:verb>/", studies.act, name="act"),
]
api_urlpatterns: list[URLPattern | URLResolver] = api.urls
