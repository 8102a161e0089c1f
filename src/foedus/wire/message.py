"""What all messages share."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from foedus.core.base.canon import JsonObject as WireObject
else:
    # pydantic cannot resolve the recursive alias; what must be canonical is checked where it is used
    WireObject = dict[str, Any]

__all__ = ["Message", "WireObject"]


class Message(BaseModel):
    """A message: frozen, and refusing fields that it does not know, so that a typing error is never silent."""

    model_config = ConfigDict(frozen=True, extra="forbid")
