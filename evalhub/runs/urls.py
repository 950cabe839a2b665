"""Addresses of the runs room: pages (urlpatterns) and API (api_urlpatterns)."""

from django.urls import URLPattern, URLResolver, path

from evalhub.runs import api, asking, views

app_name = "runs"
PROJECT = "p/<slug:project_slug>"
RUN = f"{PROJECT}/runs/<int:pk>"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{PROJECT}/models/", views.models, name="models"),
    path(f"{PROJECT}/models/new/", asking.register, name="register"),
    path(f"{PROJECT}/runs/", views.run_list, name="list"),
    path(f"{PROJECT}/runs/train/", asking.train, name="train"),
    path(f"{PROJECT}/runs/generate/", asking.generate, name="generate"),
    path(f"{PROJECT}/runs/import/", asking.import_answers, name="import"),
    path(f"{RUN}/", views.detail, name="detail"),
    path(f"{RUN}/live/", views.live, name="live"),
    path(f"{RUN}/loss.json", views.loss, name="loss"),
    path(f"{RUN}/cancel/", views.cancel, name="cancel"),
    path(f"{RUN}/retry/", views.retry, name="retry"),
    path(f"{RUN}/resume/", views.resume, name="resume"),
    path(f"{RUN}/score/", views.score, name="score"),
]

API = "projects/<slug:project_slug>"
api_urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{API}/models/", api.Models.as_view(), name="models"),
    path(f"{API}/models/<int:pk>/", api.ModelDetail.as_view(), name="model"),
    path(f"{API}/runs/", api.Runs.as_view(), name="runs"),
    path(f"{API}/runs/<int:pk>/", api.RunDetail.as_view(), name="run"),
    path(f"{API}/runs/<int:pk>/cancel/", api.Cancel.as_view(), name="cancel"),
    path(f"{API}/runs/<int:pk>/retry/", api.Retry.as_view(), name="retry"),
    path(f"{API}/runs/<int:pk>/resume/", api.Resume.as_view(), name="resume"),
    path(f"{API}/runs/<int:pk>/log/", api.Log.as_view(), name="log"),
    path(f"{API}/runs/<int:pk>/events/", api.Events.as_view(), name="events"),
    path(f"{API}/runs/<int:pk>/answers/", api.Answers.as_view(), name="answers"),
    path(f"{API}/trainings/", api.Trainings.as_view(), name="trainings"),
    path(f"{API}/generations/", api.Generations.as_view(), name="generations"),
    path(f"{API}/scorings/", api.Scorings.as_view(), name="scorings"),
    path(f"{API}/answers/", api.ImportAnswers.as_view(), name="import-answers"),
]
