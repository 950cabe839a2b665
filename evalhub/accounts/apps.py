from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "evalhub.accounts"

    def ready(self) -> None:
        """The description of keys must be known before the first schema is made."""
        import_module("evalhub.accounts.schema")
