"""The Python grpc.aio server that answers ModelInfer: messages made from the vendored definitions, onnxruntime, raw contents."""
import asyncio
import os
import sys

import grpc
import numpy as np
import onnxruntime as ort

sys.path.insert(0, os.environ["PROTO_OUT"])
import grpc_service_pb2 as messages
import grpc_service_pb2_grpc as services

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


class Service(services.GRPCInferenceServiceServicer):
    async def ModelInfer(self, request, context):
        tensor = request.inputs[0]
        if request.raw_input_contents:
            value = np.frombuffer(request.raw_input_contents[0], dtype=np.float32).reshape(tensor.shape)
        else:
            value = np.array(tensor.contents.fp32_contents, dtype=np.float32).reshape(tensor.shape)
        (output,) = session.run(None, {"input": value})
        response = messages.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        response.outputs.add(name="output", datatype="FP32", shape=output.shape)
        response.raw_output_contents.append(output.tobytes())
        return response


async def main():
    server = grpc.aio.server()
    services.add_GRPCInferenceServiceServicer_to_server(Service(), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
