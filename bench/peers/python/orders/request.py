"""A body that was read and checked, or the status and the problem that its client hears."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .text import is_email, is_readable

BODY_BYTES_MAX = 256 * 1024
KEY = re.compile(r"[!-~]{1,128}")


class Refused(Exception):
    """What may not be placed."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status, self.problem = status, problem


def _readable(text: str) -> str:
    if not is_readable(text):
        raise ValueError("not a text that can be read")
    return text


def _email(text: str) -> str:
    if not is_email(text):
        raise ValueError("not an address")
    return text


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Line(Checked):
    sku: Identifier
    quantity: Annotated[int, Field(ge=1, le=1_000_000)]


class Contact(Checked):
    name: Annotated[str, AfterValidator(_readable)]
    email: Annotated[str, AfterValidator(_email)]


class Order(Checked):
    customer_id: Identifier
    lines: Annotated[list[Line], Field(min_length=1, max_length=500)]
    contact: Contact
    locale: Literal["en", "he"] | None = None


def parse(body: bytes) -> Order:
    try:
        return Order.model_validate_json(body)
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors(include_url=False, include_input=False)):
            raise Refused(400, "malformed-json") from None
        raise Refused(422, "invalid-body") from None


def is_key(text: str) -> bool:
    """Whether it can be an Idempotency-Key."""
    return KEY.fullmatch(text) is not None
