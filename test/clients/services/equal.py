"""The FastAPI side of the comparison: what test/clients/services/equal.ts says, in Python."""
from datetime import date, datetime, time
from typing import Annotated, Literal, Union
from uuid import UUID

from fastapi import Body, Cookie, FastAPI, Form, Header, Query
from pydantic import BaseModel, ConfigDict, EmailStr, Field, field_validator

app = FastAPI()


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    x: int
    y: float = 0.0


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Everything(BaseModel):
    count: Annotated[int, Field(ge=1, le=10)]
    ratio: Annotated[float, Field(gt=0, lt=1.5)]
    even: Annotated[int, Field(multiple_of=2)] = 2
    name: Annotated[str, Field(min_length=2, max_length=5)]
    code: Annotated[str, Field(pattern="^[a-z]+$")] = "abc"
    flag: bool = False
    color: Literal["red", "green", "blue"] = "red"
    tags: Annotated[list[str], Field(min_length=1, max_length=3)] = ["a"]
    numbers: list[int] = []
    pair: tuple[int, str] = (1, "a")
    scores: dict[str, float] = {}
    inner: Inner = Inner(x=1)
    inners: list[Inner] = []
    maybe: int | None = None
    either: Union[int, bool, list[str]] = 0
    pet: Annotated[Union[Cat, Dog], Field(discriminator="kind")] = Cat(kind="cat", lives=9)
    when: datetime = datetime(2020, 1, 1)
    day: date = date(2020, 1, 1)
    at: time = time(12, 0)
    id: UUID = UUID("6ba7b810-9dad-41d1-80b4-00c04fd430c8")
    email: EmailStr = "a@example.com"
    checked: str = "good"

    @field_validator("checked")
    @classmethod
    def be_good(cls, value: str) -> str:
        if value == "bad":
            raise ValueError("must not be bad")
        return value


@app.post("/everything")
def everything(value: Everything):
    return {"ok": True}


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int
    b: str = "b"


@app.post("/closed")
def closed(value: Closed):
    return {"ok": True}


@app.post("/list")
def whole_list(value: Annotated[list[int], Body()]):
    return {"ok": True}


@app.get("/items/{item_id}")
def items(
    item_id: int,
    q: Annotated[str, Query(min_length=2)],
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    ratio: float | None = None,
    flag: bool = False,
    tags: Annotated[list[int], Query()] = [],
    x_token: Annotated[str, Header(min_length=3)] = "abc",
    session: Annotated[int, Cookie()] = 0,
):
    return {"ok": True}


class Mixed(BaseModel):
    a: int
    b: str


@app.put("/mixed/{part}")
def mixed(part: Literal["one", "two"], value: Mixed, verbose: bool = False):
    return {"ok": True}


class LoginForm(BaseModel):
    user: Annotated[str, Field(min_length=2)]
    age: Annotated[int, Field(ge=0)]
    agree: bool = False


@app.post("/form")
def form(value: Annotated[LoginForm, Form()]):
    return {"ok": True}
