"""Open the studio: `python app.py`. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""

from balign.ui.studio import build, options

demo = build()

if __name__ == "__main__":
    demo.launch(**options())
