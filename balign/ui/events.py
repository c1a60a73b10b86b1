"""The queue of the page's events and of calls: how many there may be at once, of everybody and of one address."""

import copy
import logging
import os
from typing import Any

import gradio as gr
import gradio.mcp

from balign.ui import assistants
from balign.ui.doors import UNREADABLE, of_the_machine, ours
from balign.ui.event_queue import EventQueue
from balign.ui.page import BUG

log = logging.getLogger(__name__)
NEVER = str(2**62)


def queue(blocks: gr.Blocks) -> None:
    """Give the page its queue of events: many at once, no statistics, and rest while there is nothing to do."""
    # After every event gradio would make a table of the last ten thousand for a page of statistics that is not served.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", NEVER
    blocks.queue(max_size=256, default_concurrency_limit=8)
    EventQueue.take_over(blocks._queue)
    validate, process = blocks.validate_inputs, blocks.process_api

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
            words = of_the_machine(error)[1]
            if words:
                log.warning("an event failed: %s", getattr(error, "strerror", ""))
                raise gr.Error(words, print_exception=False) from None
            if ours(error):
                log.error("an event failed", exc_info=error)
                raise gr.Error(BUG, print_exception=False) from None
            log.warning("bad event: %s", type(error).__name__)
            raise gr.Error(UNREADABLE, print_exception=False) from None

    blocks.validate_inputs, blocks.process_api = validated, processed
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

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """An answer in words and pictures first, and then its values as gradio gives them."""
        return [*assistants.contents(data, self.types), *super().postprocess_output_data(data, root_url)]
