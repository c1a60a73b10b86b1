"""Gradio's queue of events, which rests while nobody uses the page and takes only so many of one address."""

import itertools
import time
from typing import Any

from gradio.queueing import Queue
from starlette.exceptions import HTTPException

from balign import plain_text
from balign.host import limits, visitors
from balign.ui.doors import BUSY

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

    async def push(self, body: Any, request: Any, username: str | None) -> Any:
        """Take an event, unless its address has as many as it may; on a machine of one's own it may have all."""
        if limits.public() and self._of(visitors.address(request)) >= limits.LIMITS.events:
            raise HTTPException(429, BUSY.format(limits.LIMITS.events))
        self.pushed = time.monotonic()
        return await super().push(body=body, request=request, username=username)

    def send_message(self, event: Any, event_message: Any) -> None:
        """Pass a message on; what gradio's own refusal of a value quotes of it may hold half a character."""
        output = getattr(event_message, "output", None)
        if isinstance(output, dict) and isinstance(output.get("error"), str):
            output["error"] = plain_text.harmless(output["error"])
        super().send_message(event, event_message)

    def _of(self, address: str) -> int:
        """How many events of this address are not answered yet."""
        waiting = (one.queue for one in self.event_queue_per_concurrency_id.values())
        pending = itertools.chain(*waiting, *filter(None, self.active_jobs))
        return sum(visitors.address(event.request) == address for event in pending)

    @property
    def sleep_when_free(self) -> float:
        """Seconds until the next look."""
        return AWAKE if time.monotonic() < self.pushed + WHILE else ASLEEP

    @sleep_when_free.setter
    def sleep_when_free(self, seconds: float) -> None:
        """Gradio's own is not used."""
