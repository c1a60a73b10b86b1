"""The look: one theme in light and dark, system fonts, colours with a fixed meaning. Nothing is fetched."""

import re
from pathlib import Path

from gradio.themes import Base, colors, sizes
from markupsafe import Markup

from balign.markup.render import render

HERE = Path(__file__).parent
SHARED = sorted((HERE.parent / "markup").glob("*.css"))
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")

COLOURS = {
    "body_background_fill": ("#faf9f7", "#161514"),
    "body_text_color": ("#23201d", "#ece8e3"),
    "body_text_color_subdued": ("#655e57", "#a8a099"),
    "background_fill_primary": ("#ffffff", "#1f1d1b"),
    "background_fill_secondary": ("#f3f1ee", "#272422"),
    "block_background_fill": ("transparent", "transparent"),
    "block_border_width": ("0px", "0px"),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_title_text_color": ("*body_text_color", "*body_text_color"),
    "block_info_text_color": ("*body_text_color_subdued", "*body_text_color_subdued"),
    "border_color_primary": ("#dedad5", "#3a3633"),
    "input_background_fill": ("#ffffff", "#272422"),
    "input_border_color": ("#cfc9c2", "#4a4541"),
    "input_border_color_focus": ("#1f6f8c", "#6bb9d6"),
    "input_placeholder_color": ("#77706a", "#968e87"),
    "button_primary_background_fill": ("#b84a14", "#b84a14"),
    "button_primary_background_fill_hover": ("#9c3d0f", "#cb571d"),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_primary_border_color": ("transparent", "transparent"),
    "button_secondary_background_fill": ("#ffffff", "#272422"),
    "button_secondary_border_color": ("#cfc9c2", "#4a4541"),
    "checkbox_background_color_selected": ("#b84a14", "#b84a14"),
    "checkbox_border_color_selected": ("#b84a14", "#b84a14"),
    "button_cancel_background_fill": ("#b3122e", "#b3122e"),
    "button_cancel_background_fill_hover": ("#8f0e25", "#cc2a46"),
    "button_cancel_text_color": ("#ffffff", "#ffffff"),
}
"""Gradio's variables in light and in dark."""
SIZES = {
    "block_shadow": "none",
    "block_padding": "0px",
    "block_title_text_weight": "600",
    "input_border_width": "1px",
    "shadow_drop": "none",
}


def head() -> Markup:
    """The page's style sheets and scripts: first what it shares with the report, then its own, then each tab's."""
    files = {
        "css": [*SHARED, HERE / "page.css", *sorted(HERE.glob("*/*.css"))],
        "js": [*sorted(HERE.glob("*.js")), *sorted(HERE.glob("*/*.js"))],
    }
    texts = {kind: lean("\n".join(file.read_text(encoding="utf-8") for file in files[kind])) for kind in files}
    return render("ui/head.html", css=Markup(texts["css"]), js=Markup(texts["js"]))


def lean(text: str) -> str:
    """Css or js without its block comments and its indentation, which every visitor would else fetch."""
    return re.sub(r"\n\s+", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def theme() -> Base:
    """Gradio's plainest theme with our paper, ink and corners."""
    hues = {"primary_hue": colors.orange, "secondary_hue": colors.stone, "neutral_hue": colors.stone}
    base = Base(**hues, text_size=sizes.text_md, radius_size=sizes.radius_md, font=SANS, font_mono=MONO)
    dark = {f"{name}_dark": value for name, (_, value) in COLOURS.items()}
    return base.set(**SIZES, **{name: value for name, (value, _) in COLOURS.items()}, **dark)
