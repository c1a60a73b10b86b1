"""The queue of the page's events and of calls: how many there may be at once, of everybody and of one address."""

import copy
import itertools
import logging
import os
from typing import Any

import gradio as gr
import gradio.mcp
from starlette.exceptions import HTTPException

from balign.host import limits, visitors
from balign.ui.doors import BUSY, UNREADABLE, ours
from balign.ui.page import BUG

log = logging.getLogger(__name__)
REST = 0.01
"""Seconds between two looks at an empty queue of events; gradio's thousand a second take 4 % of a core, all day."""
NEVER = str(2**62)


def queue(blocks: gr.Blocks) -> None:
    """Give the page its queue of events: many at once, no statistics, and rest while there is nothing to do."""
    # After every event gradio would make a table of the last ten thousand for a page of statistics that is not served.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", NEVER
    blocks.queue(max_size=256, default_concurrency_limit=8)
    blocks._queue.sleep_when_free = REST
    validate, process, push = blocks.validate_inputs, blocks.process_api, blocks._queue.push

    def validated(*args: Any) -> None:
        """What gradio checks, told in one line of the log: a call with too few values is the caller's mistake."""
        try:
            validate(*args)
        except ValueError as error:
            raise gr.Error(str(error).splitlines()[0], print_exception=False) from None

    async def processed(*args: Any, **named: Any) -> Any:
        """What gradio makes of an event. Values that it cannot read are one line of the log and one sentence."""
        try:
            return await process(*args, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            if ours(error):
                log.error("an event failed", exc_info=error)
                raise gr.Error(BUG, print_exception=False) from None
            log.warning("bad event: %s", type(error).__name__)
            raise gr.Error(UNREADABLE, print_exception=False) from None

    async def pushed(body: Any, request: Any, username: str | None) -> Any:
        """Gradio's, unless this address has as many events as it may; on a machine of one's own it may have all."""
        if limits.public():
            known = visitors.address(request)
            waiting = [one.queue for one in blocks._queue.event_queue_per_concurrency_id.values()]
            pending = itertools.chain(*waiting, *filter(None, blocks._queue.active_jobs))
            if sum(visitors.address(event.request) == known for event in pending) >= limits.LIMITS.events:
                raise HTTPException(429, BUSY.format(limits.LIMITS.events))
        return await push(body=body, request=request, username=username)

    blocks.validate_inputs, blocks.process_api, blocks._queue.push = validated, processed, pushed
    gradio.mcp.GradioMCPServer = DirectTools


class DirectTools(gradio.mcp.GradioMCPServer):
    """Gradio's MCP server, whose calls are answered within the request that brought them.

    Gradio would ask its own server once more, and there every caller's address would be this machine's, or whatever a
    caller says it is, and none would have given the password.
    """

    def _prepare_tool_call_args(self, name: str, arguments: dict[str, Any]) -> Any:
        endpoint, values, headers, function = super()._prepare_tool_call_args(name, arguments)
        direct = copy.copy(function)
        direct.queue = False
        return endpoint, values, headers, direct
