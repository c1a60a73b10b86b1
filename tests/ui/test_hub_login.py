"""Who signs in where: on a Space by its OAuth, alone on one's own machine by a token, and nowhere else."""

import time
from types import SimpleNamespace

import gradio as gr
import pytest

from balign.ui import doors, hub_login, studio

SPACE = {"SPACE_ID": "me/space"} | dict.fromkeys(hub_login.NEEDED, "https://hub.example")


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, "token"),
        ({"BALIGN_PUBLIC": "1"}, ""),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, ""),
        ({"GRADIO_SERVER_NAME": "0.0.0.0", "BALIGN_PUBLIC": "0"}, ""),  # the token would cross the network
        ({"GRADIO_SHARE": "true", "BALIGN_PUBLIC": "0"}, ""),
        ({"SPACE_ID": "me/space"}, ""),
        (SPACE, "sign in"),
        (SPACE | {"BALIGN_PUBLIC": "0"}, "sign in"),
        (SPACE | {"OAUTH_SCOPES": ""}, ""),
    ],
)
def test_the_way_follows_where_the_studio_is(
    environment: dict[str, str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hub_login.way() == way


def test_who_is_signed_in_is_read_from_the_cookie_as_long_as_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(until: float) -> SimpleNamespace:
        known = {"access_token": "hf_x", "userinfo": {"preferred_username": "ann"}, "expires_at": until}
        return SimpleNamespace(session={"oauth_info": known})

    assert hub_login.signed_in(request(time.time() + 60)) == {}  # no Space
    for name, value in SPACE.items():
        monkeypatch.setenv(name, value)
    assert hub_login.signed_in(request(time.time() + 60))["access_token"] == "hf_x"
    assert hub_login.signed_in(request(time.time() - 60)) == {}
    assert hub_login.signed_in(SimpleNamespace(session=None, request=SimpleNamespace())) == {}
    assert hub_login.signed_in(None) == {}


def test_a_space_has_the_button_and_no_more_calls_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    def built() -> gr.Blocks:
        return studio.build()

    alone = built()
    for name, value in SPACE.items():
        monkeypatch.setenv(name, value)
    space = built()
    assert space.expects_oauth
    assert not alone.expects_oauth
    calls = [set(page.get_api_info()["named_endpoints"]) for page in (alone, space)]
    assert calls[0] == calls[1]


@pytest.mark.parametrize("path", ["/login/huggingface", "/login/callback", "/logout"])
def test_the_ways_to_the_hub_and_back_are_open(path: str) -> None:
    assert doors.ROUTES.fullmatch(path)
