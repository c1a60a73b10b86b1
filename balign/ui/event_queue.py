"""Gradio's queue of events, which rests while nobody uses the page."""

import time
from typing import Any

from gradio.queueing import Queue

AWAKE, ASLEEP = 0.01, 0.1
"""Seconds between two looks for an event: after a moment in which one came, and after a while in which none did.

Gradio looks a thousand times a second, which takes 4 % of a core all day.
"""
WHILE = 5.0
"""Seconds without an event after which it falls asleep."""
PROGRESS = 1.0
"""Seconds between two looks for the progress of events, which none of ours tells."""


class EventQueue(Queue):
    """Looks for events often only while they come."""

    pushed = 0.0
    """When the last event came."""

    @classmethod
    def take_over(cls, queue: Queue) -> None:
        """Turn a queue of gradio's, which makes it itself, into one of these."""
        queue.__class__ = cls
        queue.progress_update_sleep_when_free = PROGRESS

    async def push(self, *args: Any, **options: Any) -> Any:
        """Take an event."""
        self.pushed = time.monotonic()
        return await super().push(*args, **options)

    @property
    def sleep_when_free(self) -> float:
        """Seconds until the next look."""
        return AWAKE if time.monotonic() < self.pushed + WHILE else ASLEEP

    @sleep_when_free.setter
    def sleep_when_free(self, seconds: float) -> None:
        """Gradio's own is not used."""
