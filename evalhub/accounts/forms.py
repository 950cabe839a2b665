"""What the accounts pages ask for. Hints only: the actions have the last word."""

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from evalhub.accounts.lockout import SECONDS, client_address, tries_left
from evalhub.accounts.models import Role

COUNTING = ("No try is", "One try is", "Two tries are", "Three tries are", "Four tries are")


class LogInForm(AuthenticationForm):
    """User name or e-mail, and password; says how many tries are left."""

    def get_invalid_login_error(self) -> ValidationError:
        left = tries_left(self.cleaned_data.get("username", ""), client_address(self.request))
        if left == 0:
            return ValidationError(
                f"Too many wrong tries. The door opens again within {SECONDS // 60} minutes; a password reset helps at "
                "once, from another connection.",
                code="locked",
            )
        return ValidationError(f"That name and password do not match. {COUNTING[min(left, 4)]} left.", code="invalid")


class NewProjectForm(forms.Form):
    name = forms.CharField(max_length=120)
    description = forms.CharField(required=False)


class ProjectForm(NewProjectForm):
    currency = forms.CharField(min_length=3, max_length=3)
    hour_price = forms.DecimalField(required=False, min_value=0, max_digits=10, decimal_places=4)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class InviteForm(RoleForm):
    email = forms.EmailField()


class DisplayNameForm(forms.Form):
    display_name = forms.CharField(max_length=120, required=False)


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80)


class RegisterForm(forms.Form):
    """A name and a password, for the account that an invitation makes."""

    display_name = forms.CharField(max_length=120)
    password1 = forms.CharField(strip=False)
    password2 = forms.CharField(strip=False)

    def clean_password2(self) -> str:
        second: str = self.cleaned_data["password2"]
        if second != self.cleaned_data.get("password1"):
            raise ValidationError("The two passwords differ.")
        return second
