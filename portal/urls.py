"""The addresses of the portal's own pages."""

from django.urls import path

from portal import views

app_name = "portal"

urlpatterns = [
    path("", views.home, name="home"),
    path("live/", views.live, name="live"),
    path("result/", views.result, name="result"),
    path("directories/<int:binding_id>/send/", views.send, name="send"),
    path("notifications/", views.notifications, name="notifications"),
    path("notifications/read/", views.notifications_read, name="notifications-read"),
    path("profile/", views.profile, name="profile"),
    path("security/", views.security, name="security"),
    path("security/sessions/end/", views.sessions_end, name="sessions-end"),
    path("security/sessions/<int:session_id>/end/", views.sessions_end, name="session-end"),
]
