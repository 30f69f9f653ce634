"""FastAPI as its users write it: a pydantic body, onnxruntime, `async def`; uvicorn with uvloop and httptools."""
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
app = FastAPI()


class Body(BaseModel):
    input: list


@app.post("/predict")
async def predict(body: Body):
    (output,) = session.run(None, {"input": np.asarray(body.input, dtype=np.float32)})
    return {"output": output.tolist()}
