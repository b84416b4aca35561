from django.apps import AppConfig


class PasswordsyncConfig(AppConfig):
    name = "passwordsync"
    verbose_name = "Password sync"

    def ready(self) -> None:
        from passwordsync import receivers  # noqa: F401  registers itself
