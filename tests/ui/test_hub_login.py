"""Who signs in where: on a Space by its OAuth, alone on one's own machine by a token, and nowhere else."""

import time
from types import SimpleNamespace

import pytest
from gradio import oauth

from balign.ui import doors, hub_login, studio

SPACE = {"SPACE_ID": "me/space", "SYSTEM": "spaces"}
OAUTH = dict.fromkeys(hub_login.NEEDED, "https://hub.example")


def use(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    """Gradio has read its part of the environment already."""
    for name, value in values.items():
        monkeypatch.setattr(oauth, name, value) if name in OAUTH else monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({}, "token"),
        ({"BALIGN_PUBLIC": "1"}, ""),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, ""),
        ({"GRADIO_SERVER_NAME": "0.0.0.0", "BALIGN_PUBLIC": "0"}, ""),  # the token would cross the network
        ({"GRADIO_SHARE": "true", "BALIGN_PUBLIC": "0"}, ""),
        (SPACE, ""),
        (SPACE | OAUTH, "sign in"),
        (SPACE | OAUTH | {"BALIGN_PUBLIC": "0"}, "sign in"),
        (SPACE | OAUTH | {"OAUTH_SCOPES": ""}, ""),
    ],
)
def test_the_way_follows_where_the_studio_is(
    environment: dict[str, str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, environment)
    assert hub_login.way() == way


def test_who_is_signed_in_is_read_from_the_cookie_as_long_as_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def request(until: float) -> SimpleNamespace:
        known = {"access_token": "hf_x", "userinfo": {"preferred_username": "ann"}, "expires_at": until}
        return SimpleNamespace(session={"oauth_info": known})

    assert hub_login.signed_in(request(time.time() + 60)) == {}  # no Space
    use(monkeypatch, SPACE | OAUTH)
    assert hub_login.signed_in(request(time.time() + 60))["access_token"] == "hf_x"
    assert hub_login.signed_in(request(time.time() - 60)) == {}
    assert hub_login.signed_in(SimpleNamespace(session=None, request=SimpleNamespace())) == {}
    assert hub_login.signed_in(None) == {}


def test_a_space_has_the_button_and_no_more_calls_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = studio.build()
    use(monkeypatch, SPACE | OAUTH)
    space = studio.build()
    assert space.expects_oauth
    assert not alone.expects_oauth
    calls = [set(page.get_api_info()["named_endpoints"]) for page in (alone, space)]
    assert calls[0] == calls[1]


@pytest.mark.parametrize("path", ["/login/huggingface", "/login/callback", "/logout"])
def test_the_ways_to_the_hub_and_back_are_open(path: str) -> None:
    assert doors.ROUTES.fullmatch(path)
