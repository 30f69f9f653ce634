"""onnxruntime in a loop, one thread: the most that a server of this model could give. bare.py MODEL SECONDS"""
import json
import sys
import time

import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
value = np.random.default_rng(1).random((1, 3, 224, 224), dtype=np.float32)
for _ in range(3):
    session.run(None, {"input": value})
end = time.perf_counter() + float(sys.argv[2])
started, count = time.perf_counter(), 0
while time.perf_counter() < end:
    session.run(None, {"input": value})
    count += 1
print(json.dumps({"perSecond": count / (time.perf_counter() - started)}))
