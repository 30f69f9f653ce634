"""What only the gRPC flavours of tritonclient can do: streams, several answers to a request, cancelling, deadlines."""
import asyncio
import queue
import time

import numpy as np
import pytest
from flavours import GRPC, IS_ASYNCIO, Blocking, connect, document, grpcclient, grpcclient_asyncio, infer_input, output
from tritonclient.utils import InferenceServerException
from tritonclient_every import A, B, one, pair, refused, rounds, statistics, until


@pytest.fixture(scope="module")
def client():
    made = connect()
    yield made
    made.close()


def stream(requests, count, **options):
    """Sends `requests` (arguments of async_stream_infer) on one stream and gives `count` answers: results, or errors."""
    if IS_ASYNCIO:
        return asyncio.run(stream_asyncio(requests, count, **options))
    answers = queue.Queue()
    with grpcclient.InferenceServerClient(GRPC) as mine:
        mine.start_stream(callback=lambda result, error: answers.put(error or result), **options)
        for request in requests:
            mine.async_stream_infer(**request)
        found = [answers.get(timeout=30) for _ in range(count)]
        mine.stop_stream()
    assert answers.empty(), "more answers than asked for"
    return found


async def stream_asyncio(requests, count, **options):
    async def source():
        for request in requests:
            yield request

    async with grpcclient_asyncio.InferenceServerClient(GRPC) as mine:
        found = []
        async for result, error in mine.stream_infer(inputs_iterator=source(), **options):
            found.append(error or result)
        assert len(found) == count
        return found


def sequence_requests(key, values, **options):
    return [
        {"model_name": "simple_sequence", "inputs": [infer_input("INPUT", one(value))], "request_id": f"{key}_{position}", "sequence_id": key, "sequence_start": position == 0, "sequence_end": position == len(values) - 1, **options}
        for position, value in enumerate(values)
    ]


def test_stream_of_sequences():
    values = [11, 7, 5, 3, 2, 0, 1]
    requests = sequence_requests(501, [0, *values]) + sequence_requests("five-oh-two", [100, *(-value for value in values)])
    answers = stream(requests, len(requests))
    by_key = {}
    for answer in answers:
        by_key.setdefault(answer.get_response().id.split("_")[0], []).append(int(answer.as_numpy("OUTPUT")[0][0]))
    assert by_key == {"501": [1, *values], "five-oh-two": [101, *(-value for value in values)]}


def test_stream_goes_on_after_an_error():
    requests = [
        {"model_name": "simple", "inputs": pair(), "request_id": "1"},
        {"model_name": "nobody", "inputs": pair(), "request_id": "2"},
        {"model_name": "simple", "inputs": pair()[:1], "request_id": "3"},
        {"model_name": "simple", "inputs": pair(A * 2), "request_id": "4"},
    ]
    answers = stream(requests, 4)
    errors = sorted(answer.message() for answer in answers if isinstance(answer, InferenceServerException))
    results = {answer.get_response().id: answer.as_numpy("OUTPUT0") for answer in answers if not isinstance(answer, InferenceServerException)}
    assert sorted(results) == ["1", "4"] and (results["4"] == A * 2 + B).all()
    assert len(errors) == 2 and "Request for unknown model: 'nobody' is not found" in errors[0] and "expected 2 inputs but got 1" in errors[1]


def test_stream_that_ends_with_an_error():
    """Clients that ask for it get errors as the stream's status."""
    headers = {"triton_grpc_error": "true"}
    if IS_ASYNCIO:
        with pytest.raises(Exception) as caught:
            stream([{"model_name": "nobody", "inputs": pair()}], 1, headers=headers)
        assert "nobody" in str(caught.value) and "NOT_FOUND" in str(caught.value)
    else:
        [error] = stream([{"model_name": "nobody", "inputs": pair()}], 1, headers=headers)
        assert "nobody" in error.message() and error.status() == "StatusCode.NOT_FOUND"


def repeat(values, **options):
    inputs = [infer_input("IN", np.array(values, np.int32)), infer_input("DELAY", np.full(len(values), 5, np.uint32)), infer_input("WAIT", np.array([0], np.uint32))]
    return {"model_name": "repeat_int32", "inputs": inputs, **options}


def test_several_answers_to_a_request():
    answers = stream([repeat([4, 5, 6], request_id="a"), repeat([], request_id="b"), repeat([7], request_id="c")], 4)
    found = {}
    for answer in answers:
        found.setdefault(answer.get_response().id, []).append(int(answer.as_numpy("OUT")[0]))
    assert found == {"a": [4, 5, 6], "c": [7]}


def test_empty_final_response():
    if IS_ASYNCIO:
        # It has no way to ask for them; every answer still says whether it is the last.
        answers = stream([repeat([4, 5]), repeat([]), {"model_name": "simple", "inputs": pair()}], 3)
        assert all(answer.get_response().outputs for answer in answers)
        assert sorted(answer.get_response().parameters["triton_final_response"].bool_param for answer in answers) == [False, False, True]
        return
    answers = stream([repeat([4, 5], request_id="a", enable_empty_final_response=True), repeat([], request_id="b", enable_empty_final_response=True)], 4)
    final = [(answer.get_response().id, len(answer.get_response().outputs)) for answer in answers if answer.get_response().parameters["triton_final_response"].bool_param]
    assert sorted(final) == [("a", 0), ("b", 0)]
    assert [int(answer.as_numpy("OUT")[0]) for answer in answers if answer.get_response().outputs] == [4, 5]
    # A model with one answer says so on it.
    [answer] = stream([{"model_name": "simple", "inputs": pair()}], 1)
    assert answer.get_response().parameters["triton_final_response"].bool_param is True and (answer.as_numpy("OUTPUT0") == A + B).all()


def test_a_streaming_model_tells_so(client):
    config = document(client.get_model_config("repeat_int32"))["config"]
    assert config["model_transaction_policy"]["decoupled"] is True
    refused(lambda: client.infer(**repeat([1, 2])), "repeat_int32", status=("501", "StatusCode.UNIMPLEMENTED"))


def test_stop_a_stream_with_requests_under_way(client):
    if IS_ASYNCIO:

        async def stop():
            async def source():
                yield repeat(list(range(1000)))
                await asyncio.sleep(60)

            async with grpcclient_asyncio.InferenceServerClient(GRPC) as mine:
                answers = mine.stream_infer(inputs_iterator=source())
                result, error = await answers.__anext__()
                assert error is None and int(result.as_numpy("OUT")[0]) == 0
                assert answers.cancel()
                with pytest.raises(asyncio.CancelledError):
                    while True:
                        await answers.__anext__()

        asyncio.run(stop())
    else:
        answers = queue.Queue()
        with grpcclient.InferenceServerClient(GRPC) as mine:
            mine.start_stream(callback=lambda result, error: answers.put(error or result))
            mine.async_stream_infer(**repeat(list(range(1000))))
            assert int(answers.get(timeout=20).as_numpy("OUT")[0]) == 0
            mine.stop_stream(cancel_requests=True)
        found = []
        while not answers.empty():
            found.append(answers.get())
        assert found[-1].status() == "StatusCode.CANCELLED" and len(found) < 900
    assert client.is_server_ready()


def test_stream_timeout():
    request = repeat(list(range(1000)))
    if IS_ASYNCIO:
        with pytest.raises(Exception) as caught:
            stream([request], 1000, stream_timeout=0.3)
        assert "DEADLINE_EXCEEDED" in str(caught.value)
        return
    answers = queue.Queue()
    with grpcclient.InferenceServerClient(GRPC) as mine:
        mine.start_stream(callback=lambda result, error: answers.put(error or result), stream_timeout=0.3)
        mine.async_stream_infer(**request)
        last = answers.get(timeout=20)
        while not isinstance(last, InferenceServerException):
            last = answers.get(timeout=20)
        assert last.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_client_timeout(client):
    error = refused(lambda: client.infer("slow", rounds(6000), client_timeout=0.2))
    assert error.status() == "StatusCode.DEADLINE_EXCEEDED"
    for call in (client.is_server_live, client.get_server_metadata):
        assert call(client_timeout=20)
    assert client.infer("simple", pair(), client_timeout=20).as_numpy("OUTPUT0") is not None


def test_cancelled_requests_do_not_run(client):
    before = statistics(client, "slow")
    if IS_ASYNCIO:

        async def cancel():
            async with grpcclient_asyncio.InferenceServerClient(GRPC) as mine:
                first = asyncio.ensure_future(mine.infer("slow", rounds(8000)))
                await asyncio.sleep(0.1)
                others = [asyncio.ensure_future(mine.infer("slow", rounds(8000))) for _ in range(3)]
                await asyncio.sleep(0.2)
                for other in others:
                    other.cancel()
                await asyncio.gather(*others, return_exceptions=True)
                assert (await first).as_numpy("SUM").shape == (128,)

        asyncio.run(cancel())
    else:
        answers = queue.Queue()
        first = client.async_infer("slow", rounds(8000), callback=lambda result, error: answers.put(error or result))
        time.sleep(0.1)
        contexts = [client.async_infer("slow", rounds(8000), callback=lambda result, error: answers.put(error or result)) for _ in range(3)]
        time.sleep(0.2)
        for context in contexts:
            context.cancel()
        found = [answers.get(timeout=30) for _ in range(4)]
        assert [str(answer.status()) for answer in found[:3]] == ["StatusCode.CANCELLED"] * 3 and "Locally cancelled by application!" in found[0].message()
        assert found[3].as_numpy("SUM").shape == (128,)
    assert client.infer("slow", rounds(1)).as_numpy("SUM").shape == (128,)
    after = statistics(client, "slow")
    assert int(after["execution_count"]) - int(before["execution_count"]) == 2
    assert int(after["inference_stats"]["success"]["count"]) - int(before["inference_stats"]["success"]["count"]) == 2


def test_requests_under_way_together(client):
    if IS_ASYNCIO:

        async def many():
            async with grpcclient_asyncio.InferenceServerClient(GRPC) as mine:
                return await asyncio.gather(*(mine.infer("simple", pair(A + index), request_id=str(index)) for index in range(100)))

        found = asyncio.run(many())
    else:
        answers = queue.Queue()
        for index in range(100):
            client.async_infer("simple", pair(A + index), callback=lambda result, error: answers.put(error or result), request_id=str(index))
        found = [answers.get(timeout=30) for _ in range(100)]
    assert sorted(int(answer.get_response().id) for answer in found) == list(range(100))
    for answer in found:
        assert (answer.as_numpy("OUTPUT0") == A + int(answer.get_response().id) + B).all()


def test_as_json(client):
    assert client.get_server_metadata(as_json=True)["name"] == "modelport"
    assert client.get_model_metadata("simple", as_json=True)["inputs"][0]["shape"] == ["-1", "16"]
    assert client.infer("simple", pair()).get_response(as_json=True)["model_name"] == "simple"
    assert [model["name"] for model in client.get_inference_statistics("simple", as_json=True)["model_stats"]] == ["simple"]


def test_connection_options():
    from tritonclient.grpc import KeepAliveOptions

    module = grpcclient_asyncio if IS_ASYNCIO else grpcclient
    keepalive = {"keepalive_options": KeepAliveOptions(keepalive_time_ms=1000, keepalive_timeout_ms=2000, keepalive_permit_without_calls=True, http2_max_pings_without_data=0)}
    for options in (keepalive, {"channel_args": [("grpc.primary_user_agent", "a test")]}):
        make = lambda: module.InferenceServerClient(GRPC, **options)
        mine = Blocking(make) if IS_ASYNCIO else make()
        assert (mine.infer("simple", pair()).as_numpy("OUTPUT0") == A + B).all()
        mine.close()


def test_large_messages(client):
    """More than the 4 MB that gRPC libraries take when nobody lifts the limit."""
    wide = np.array([["x" * 1000] * 6000], dtype=np.object_)
    answer = client.infer("simple_identity", [infer_input("INPUT0", wide)]).as_numpy("OUTPUT0")
    assert answer.shape == (1, 6000) and answer[0][5999] == b"x" * 1000
