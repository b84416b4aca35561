"""Every address of the product, one by one: nothing is mounted that is not listed here."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path

from accounts.views import forgotten, make_first_administrator, set_up
from config import health
from passwordsync.admin_reports import churn_page, waiting_page
from portal.views import theme

admin.autodiscover()

urlpatterns = [
    path("", include("portal.urls")),
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("forgotten/", forgotten, name="account_forgotten"),
    path("set-up/<str:token>/", set_up, name="account_set_up"),
    path("password/", account.password_change, name="account_change_password"),
    path("second-factor/", mfa.index, name="mfa_index"),
    path("second-factor/code/", mfa.authenticate, name="mfa_authenticate"),
    path("second-factor/confirm/", mfa.reauthenticate, name="mfa_reauthenticate"),
    # Its QR code is a data: address.
    path(
        "second-factor/app/",
        csp_update({"img-src": ["data:"]})(totp.activate_totp),
        name="mfa_activate_totp",
    ),
    path("second-factor/app/off/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "second-factor/recovery/",
        recovery_codes.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "second-factor/recovery/new/",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "second-factor/recovery/file/",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("first-administrator/<str:token>/", make_first_administrator, name="first-administrator"),
    path("theme.css", theme, name="theme"),
    path("admin/waiting/", admin.site.admin_view(waiting_page), name="admin-waiting"),
    path("admin/churn/", admin.site.admin_view(churn_page), name="admin-churn"),
    path("admin/", admin.site.urls),
    # Answered before any other middleware: config.health.
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
