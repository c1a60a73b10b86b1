"""What a config holds of somebody's own: prompts to test on with their seeds, and pictures by their hash."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from balign import plain_text

MAX_PICTURES = 2_000
MAX_TESTS = 5_000
"""I2P has 4,703."""
MAX_TEXT = 2_000
"""Characters of a test prompt or a caption."""
Line = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(plain_text.one_line)]


class TestPrompt(BaseModel):
    """A prompt of somebody's own to test on, and the seed it is drawn with, if it comes with one."""

    __test__ = False
    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Line
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"prompt": value} if isinstance(value, str) else value


class PictureEntry(BaseModel):
    """A picture of somebody's own, as it is trained on: by hash, with what it is called."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the png in the run's folder `pictures`."""
    caption: Line | None = None
