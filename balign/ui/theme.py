"""The look: one theme in light and dark, system fonts, colours with a fixed meaning. Nothing is fetched."""

from collections.abc import Iterable
from pathlib import Path

from gradio.themes import Base, colors, sizes
from markupsafe import Markup

from balign.markup.render import render

HERE = Path(__file__).parent
SHARED = HERE.parent / "markup" / "shared.css"
SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def head() -> Markup:
    """The page's style sheets and scripts: first what it shares with the report, then its own, then each tab's."""
    css = [SHARED, HERE / "page.css", *sorted(HERE.glob("*/*.css"))]
    js = [HERE / "page.js", *sorted(HERE.glob("*/*.js"))]
    return render("ui/head.html", css=_joined(css), js=_joined(js))


def _joined(files: Iterable[Path]) -> Markup:
    return Markup("\n".join(file.read_text(encoding="utf-8") for file in files))


def theme() -> Base:
    """Gradio's plainest theme with our paper, ink and corners."""
    return Base(
        primary_hue=colors.orange,
        secondary_hue=colors.stone,
        neutral_hue=colors.stone,
        text_size=sizes.text_md,
        radius_size=sizes.radius_md,
        font=SANS,
        font_mono=MONO,
    ).set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#161514",
        body_text_color="#23201d",
        body_text_color_dark="#ece8e3",
        body_text_color_subdued="#655e57",
        body_text_color_subdued_dark="#a8a099",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1f1d1b",
        background_fill_secondary="#f3f1ee",
        background_fill_secondary_dark="#272422",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_weight="600",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_info_text_color="*body_text_color_subdued",
        block_info_text_color_dark="*body_text_color_subdued",
        border_color_primary="#dedad5",
        border_color_primary_dark="#3a3633",
        input_background_fill="#ffffff",
        input_background_fill_dark="#272422",
        input_border_color="#cfc9c2",
        input_border_color_dark="#4a4541",
        input_border_width="1px",
        input_border_color_focus="#1f6f8c",
        input_border_color_focus_dark="#6bb9d6",
        input_placeholder_color="#77706a",
        input_placeholder_color_dark="#968e87",
        button_primary_background_fill="#b84a14",
        button_primary_background_fill_dark="#b84a14",
        button_primary_background_fill_hover="#9c3d0f",
        button_primary_background_fill_hover_dark="#cb571d",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_primary_border_color="transparent",
        button_primary_border_color_dark="transparent",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#272422",
        button_secondary_border_color="#cfc9c2",
        button_secondary_border_color_dark="#4a4541",
        checkbox_background_color_selected="#b84a14",
        checkbox_background_color_selected_dark="#b84a14",
        checkbox_border_color_selected="#b84a14",
        checkbox_border_color_selected_dark="#b84a14",
        button_cancel_background_fill="#b3122e",
        button_cancel_background_fill_dark="#b3122e",
        button_cancel_background_fill_hover="#8f0e25",
        button_cancel_background_fill_hover_dark="#cc2a46",
        button_cancel_text_color="#ffffff",
        button_cancel_text_color_dark="#ffffff",
        shadow_drop="none",
    )
