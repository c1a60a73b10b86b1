"""What strangers type: markup, paths, control characters, numbers out of range, things that are no text at all."""

from typing import Any

MARKUP = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>cat</a>",
    "<!--",
    "]]><b>",
    "<style>*{display:none}</style>",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "&lt;img src=x onerror=alert(1)&gt;",
)
PATHS = (
    ".",
    "..",
    "../../../../etc/passwd",
    "/proc/self/environ",
    "~",
    "~root/x",
    "~nobodyhere/x",
    "C:\\Windows\\win.ini",
    "\\\\server\\share",
    "file:///etc/hostname",
    "http://169.254.169.254/latest/meta-data",
    "%2e%2e%2f%2e%2e%2fconfig.json",
    "images/before/../../config.json",
    "a/" * 200,
    "x" * 300,
)
CONTROL = (
    "\x00",
    "cat\x00.png",
    "cat\r\nSet-Cookie: a=b",
    "\x1b[2J\x1b[31mcat",
    "cat\x07\x08",
    "\u202egnp.tac",
    "\u200b\u200d\ufeff",
    "\ud800",
    "z\u0351\u036b\u0343" * 40,
    "👩‍👩‍👧‍👦" * 30,
    "ﷺ" * 100,
)
COMMANDS = (
    "cat; rm -rf /",
    "$(touch /tmp/owned)",
    "`id`",
    "| cat /etc/passwd",
    "--device",
    "-rf",
    "'; DROP TABLE runs; --",
    "=cmd|' /C calc'!A0",
    "%s%s%s%n",
    "__import__('os').system('id')",
    '{"__class__": "x"}',
)
SIZES = ("", " ", "\n" * 1_000, "a" * 250_000, "cat," * 5_000, "cat=" * 100, "=", "=dog", "," * 100)
NUMBERS = (0, -1, 1e308, float("nan"), float("inf"), 2**63, 10**400, "1e999", "NaN", "0x10", "١٢", True)
KINDS = (None, [], {}, [[]], ["cat"] * 500, {"run": "x"}, {"__type__": "update"}, [None, {"a": []}], b"cat")

TEXTS: tuple[str, ...] = (*MARKUP, *PATHS, *CONTROL, *COMMANDS, *SIZES)
HOSTILE: tuple[Any, ...] = (*TEXTS, *NUMBERS, *KINDS)
INTERPRETED = (
    "<script",
    "<img src=x",
    "<svg/onload",
    "<iframe",
    "<style",
    '" onmouseover=',
    "' onfocus=",
    "<a href=java",
)
"""What of the markup must not stand in a page as it was typed."""
