from django.apps import AppConfig


class DirectoriesConfig(AppConfig):
    name = "directories"

    def ready(self) -> None:
        from directories import checks  # noqa: F401  registers itself
