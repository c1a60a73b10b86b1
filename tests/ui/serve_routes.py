"""Serve the studio for the fuzz: `python serve_routes.py PORT`; the file `routes` gets every route of the app."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gradio.routes import App

create = App.create_app


def routes(of: Any, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """The path and the methods of each route, mounts and included routers too."""
    for route in of:
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        if inner is not None:
            yield from routes(inner, prefix + route.include_context.prefix)
        else:
            methods = sorted(getattr(route, "methods", None) or ())
            yield from ((prefix + route.path + end, methods) for end in ([""] if methods else ["", "/", "/x"]))


def noted(*values: Any, **named: Any) -> App:
    app = create(*values, **named)
    Path("routes").write_text(json.dumps(list(routes(app.routes))))
    return app


if __name__ == "__main__":
    App.create_app = noted
    runpy.run_path(str(Path(__file__).parents[1] / "browser" / "serve.py"))
