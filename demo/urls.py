"""The demo's pages, at /demo/."""

from django.urls import path
from django.views.generic import RedirectView

from demo import views

app_name = "demo"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="demo:register")),
    path("register/", views.register, name="register"),
    path("register/<uuid:key>/", views.registration, name="registration"),
]
