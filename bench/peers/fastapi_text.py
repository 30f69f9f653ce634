"""Sentiment as people serve it: FastAPI, transformers' fast tokenizer, onnxruntime; uvicorn with uvloop and httptools."""
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import PreTrainedTokenizerFast

folder = os.environ["MODEL"]
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.path.join(folder, "onnx", "model.onnx"), options, providers=["CPUExecutionProvider"])
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
labels = ["NEGATIVE", "NEUTRAL", "POSITIVE"]
app = FastAPI()


class Body(BaseModel):
    text: str


@app.post("/predict")
async def predict(body: Body):
    encoded = tokenizer(body.text, truncation=True, return_tensors="np", return_token_type_ids=True)
    (logits,) = session.run(None, {name: value.astype(np.int64) for name, value in encoded.items()})
    scores = np.exp(logits[0] - logits[0].max())
    scores = scores / scores.sum()
    order = np.argsort(-scores)
    return {"label": labels[order[0]], "score": float(scores[order[0]]), "labels": [{"label": labels[i], "score": float(scores[i])} for i in order]}
