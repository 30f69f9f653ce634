"""One small ONNX model behind FastAPI, as its users put it into a container."""
import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

session = ort.InferenceSession("/app/model.onnx", providers=["CPUExecutionProvider"])
app = FastAPI()


class Body(BaseModel):
    a: list
    b: list


@app.post("/predict")
async def predict(body: Body):
    (output,) = session.run(None, {"a": np.asarray(body.a, dtype=np.float32), "b": np.asarray(body.b, dtype=np.float32)})
    return {"sum": output.tolist()}
