"""The addresses of the portal's own pages."""

from django.urls import path

from portal import views

app_name = "portal"

urlpatterns = [
    path("", views.home, name="home"),
    path("live/", views.live, name="live"),
    path("notifications/read/", views.notifications_read, name="notifications-read"),
]
