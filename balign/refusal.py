"""The one exception that means: what was asked for cannot be done. Every other exception is a fault of ours."""


class Refusal(ValueError):
    """What was asked for is not possible. Its text is one sentence that names the value and what would be accepted."""
