"""The four flavours of tritonclient behind one face, so that the same tests run over all of them."""
import asyncio
import inspect
import os
import time

import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcclient_asyncio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpclient_asyncio

FLAVOUR = os.environ.get("MODELPORT_TEST_FLAVOUR", "http")
HTTP = os.environ.get("MODELPORT_TEST_HTTP", "")
GRPC = os.environ.get("MODELPORT_TEST_GRPC", "")
IS_GRPC = FLAVOUR.startswith("grpc")
IS_ASYNCIO = FLAVOUR.endswith("asyncio")
MODULE = {"http": httpclient, "http-asyncio": httpclient_asyncio, "grpc": grpcclient, "grpc-asyncio": grpcclient_asyncio}[FLAVOUR]
#: Input and output classes are the same for both kinds of client.
TENSORS = grpcclient if IS_GRPC else httpclient


class Blocking:
    """A client whose coroutines are run to their end."""

    def __init__(self, make):
        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(self._made(make))

    async def _made(self, make):
        return make()

    def __getattr__(self, name):
        member = getattr(self._client, name)
        if not inspect.iscoroutinefunction(member):
            return member
        return lambda *args, **kwargs: self._loop.run_until_complete(member(*args, **kwargs))


def connect(**options):
    url = GRPC if IS_GRPC else HTTP
    if IS_ASYNCIO:
        return Blocking(lambda: MODULE.InferenceServerClient(url=url, **options))
    return MODULE.InferenceServerClient(url=url, **options)


def document(message):
    """What both wires tell, with the names of REST: gRPC's messages as JSON."""
    if not IS_GRPC:
        return message
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def infer_input(name, array, datatype=None, **options):
    from tritonclient.utils import np_to_triton_dtype

    tensor = TENSORS.InferInput(name, list(array.shape), datatype or np_to_triton_dtype(array.dtype))
    tensor.set_data_from_numpy(array, **({} if IS_GRPC else options))
    return tensor


def output(name, **options):
    return TENSORS.InferRequestedOutput(name, **options)


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)
