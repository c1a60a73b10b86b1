"""The studio: a page that writes a run's config, starts its process and then only reads its folder.

It trains nothing, loads no model and never imports torch; whatever it shows comes from files a run left.
"""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it on import; we call nobody
