from django.apps import AppConfig
from django.contrib.admin import apps as admin


class ConfigConfig(AppConfig):
    name = "config"
    default = True


class AdminConfig(admin.AdminConfig):
    default_site = "config.admin_site.LatchkeyAdminSite"
    default = False
