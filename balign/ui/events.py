"""How gradio's queue of events is set: many at once, no statistics, and rest while there is nothing to do.

Runs that wait for the machine are another line, in `queue`.
"""

import os

import gradio as gr

REST = 0.01
"""Seconds between two looks at an empty queue. Gradio's own thousand looks a second take 4 % of a core, all day."""
NEVER = str(2**62)


def queue(page: gr.Blocks) -> None:
    """Give the page its queue."""
    # After every event gradio would make a table of the last ten thousand for a page of statistics that is not served.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", NEVER
    page.queue(max_size=256, default_concurrency_limit=8)
    page._queue.sleep_when_free = REST
