"""The queue of the page's events and of calls: how many there may be at once, of everybody and of one address."""

import copy
import itertools
import os
from typing import Any

import gradio as gr
import gradio.mcp
from starlette.exceptions import HTTPException

from balign.host import limits, visitors

REST = 0.01
"""Seconds between two looks at an empty queue of events; gradio's thousand a second take 4 % of a core, all day."""
NEVER = str(2**62)
BUSY = "{} presses or calls from your address are not answered yet; wait until they are, and try again."


def queue(blocks: gr.Blocks) -> None:
    """Give the page its queue of events: many at once, no statistics, and rest while there is nothing to do."""
    # After every event gradio would make a table of the last ten thousand for a page of statistics that is not served.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", NEVER
    blocks.queue(max_size=256, default_concurrency_limit=8)
    blocks._queue.sleep_when_free = REST
    validate, push = blocks.validate_inputs, blocks._queue.push

    def validated(*args: Any) -> None:
        """What gradio checks, told in one line of the log: a call with too few values is the caller's mistake."""
        try:
            validate(*args)
        except ValueError as error:
            raise gr.Error(str(error).splitlines()[0], print_exception=False) from None

    async def pushed(body: Any, request: Any, username: str | None) -> Any:
        """Gradio's, unless this address has as many events as it may; on a machine of one's own it may have all."""
        if limits.public():
            known = visitors.address(request)
            waiting = [one.queue for one in blocks._queue.event_queue_per_concurrency_id.values()]
            pending = itertools.chain(*waiting, *filter(None, blocks._queue.active_jobs))
            if sum(visitors.address(event.request) == known for event in pending) >= limits.LIMITS.events:
                raise HTTPException(429, BUSY.format(limits.LIMITS.events))
        return await push(body=body, request=request, username=username)

    blocks.validate_inputs, blocks._queue.push = validated, pushed
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
