"""The equal of service.ts as FastAPI's users write it; uvicorn with uvloop and httptools."""
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Features(BaseModel):
    feature1: float
    feature2: float


class Answer(BaseModel):
    prediction: float


@app.post("/constant")
async def constant(features: Features) -> Answer:
    return Answer(prediction=42)
