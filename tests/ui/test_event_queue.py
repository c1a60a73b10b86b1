"""The queue of events rests while nobody uses the page, and wakes up with the first event."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from balign.ui import event_queue, studio


def test_it_looks_often_only_while_events_come(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = studio.build()._queue
    assert queue.sleep_when_free == event_queue.ASLEEP
    assert queue.progress_update_sleep_when_free == event_queue.PROGRESS

    async def take(self: object, body: object, request: object, username: str | None) -> object:
        return body

    monkeypatch.setattr(event_queue.Queue, "push", take)
    with ThreadPoolExecutor(1) as elsewhere:  # a browser test before this one leaves its loop running in this thread
        pushed = elsewhere.submit(lambda: asyncio.run(queue.push("an event", None, None))).result()
    assert pushed == "an event"
    assert queue.sleep_when_free == event_queue.AWAKE
    queue.pushed -= event_queue.WHILE
    assert queue.sleep_when_free == event_queue.ASLEEP
