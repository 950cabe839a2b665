"""Addresses of the accounts room: pages (urlpatterns) and API (api_urlpatterns)."""

from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, path, reverse_lazy

from evalhub.accounts import api, profile, views
from evalhub.accounts.forms import LogInForm
from evalhub.accounts.mail import sends_mail

app_name = "accounts"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path(
        "login/",
        auth.LoginView.as_view(
            template_name="accounts/login.html", authentication_form=LogInForm, redirect_authenticated_user=True
        ),
        name="login",
    ),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/reset/",
        auth.PasswordResetView.as_view(
            template_name="accounts/password_reset.html",
            email_template_name="accounts/password_reset_email.txt",
            subject_template_name="accounts/password_reset_subject.txt",
            success_url=reverse_lazy("accounts:password_reset_sent"),
        ),
        name="password_reset",
    ),
    path(
        "password/reset/sent/",
        auth.PasswordResetDoneView.as_view(
            template_name="accounts/password_reset_sent.html", extra_context={"sends_mail": sends_mail}
        ),
        name="password_reset_sent",
    ),
    path(
        "password/reset/<uidb64>/<token>/",
        auth.PasswordResetConfirmView.as_view(
            template_name="accounts/password_reset_confirm.html",
            success_url=reverse_lazy("accounts:password_reset_complete"),
        ),
        name="password_reset_confirm",
    ),
    path(
        "password/reset/complete/",
        auth.PasswordResetCompleteView.as_view(template_name="accounts/password_reset_complete.html"),
        name="password_reset_complete",
    ),
    path("profile/", profile.profile, name="profile"),
    path("profile/password/", profile.change_password, name="change_password"),
    path("profile/keys/", profile.create_token, name="create_token"),
    path("profile/keys/<int:pk>/revoke/", profile.revoke_token, name="revoke_token"),
    path("projects/new/", views.new_project, name="new_project"),
    path("invitations/<str:secret>/", views.invitation, name="invitation"),
    path("invitations/<str:secret>/accept/", views.accept, name="accept_invitation"),
    path("invitations/<str:secret>/register/", views.register, name="register"),
    path("p/<slug:project_slug>/members/", views.members, name="members"),
    path("p/<slug:project_slug>/members/invite/", views.invite, name="invite"),
    path("p/<slug:project_slug>/members/<int:pk>/role/", views.change_role, name="change_role"),
    path("p/<slug:project_slug>/members/<int:pk>/remove/", views.remove_member, name="remove_member"),
    path("p/<slug:project_slug>/invitations/<int:pk>/revoke/", views.revoke_invitation, name="revoke_invitation"),
    path("p/<slug:project_slug>/settings/", views.settings_page, name="settings"),
]
api_urlpatterns: list[URLPattern | URLResolver] = [
    path("me/", api.me, name="me"),
    path("tokens/", api.tokens, name="tokens"),
    path("tokens/<int:pk>/", api.token, name="token"),
    path("projects/", api.projects, name="projects"),
    path("projects/<slug:project_slug>/", api.project, name="project"),
    path("projects/<slug:project_slug>/members/", api.members, name="members"),
    path("projects/<slug:project_slug>/members/<int:pk>/", api.member, name="member"),
    path("projects/<slug:project_slug>/invitations/", api.invitations, name="invitations"),
    path("projects/<slug:project_slug>/invitations/<int:pk>/", api.invitation, name="invitation"),
    path("invitations/accept/", api.accept, name="accept"),
]
