"""The original: `uvicorn dummy:app --port 8000`."""
from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()


class Features(BaseModel):
    feature1: float = Field(description="The first feature.")
    feature2: float = Field(description="The second feature.")


class Answer(BaseModel):
    prediction: float


@app.post("/predict")
async def predict(features: Features) -> Answer:
    return Answer(prediction=features.feature1 * 0.5 + features.feature2 * 0.25)
