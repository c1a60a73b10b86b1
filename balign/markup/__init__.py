"""How things are shown: templates, charts, number formats. It knows no run and no gradio."""
