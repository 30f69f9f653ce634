"""What only the HTTP flavours of tritonclient can do: tensors as JSON, bodies made and read by hand, requests under way together."""
import asyncio

import numpy as np
import pytest
from flavours import HTTP, IS_ASYNCIO, connect, httpclient, httpclient_asyncio, infer_input, output
from tritonclient_every import A, B, INVALID, SAMPLES, pair, refused, rounds, statistics, until


@pytest.fixture(scope="module")
def client():
    made = connect()
    yield made
    made.close()


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("asked", [False, True])
def test_json_and_binary(client, sent, asked):
    outputs = [output("OUTPUT0", binary_data=asked), output("OUTPUT1", binary_data=not asked)]
    result = client.infer("simple", [infer_input("INPUT0", A, binary_data=sent), infer_input("INPUT1", B, binary_data=not sent)], outputs=outputs)
    assert (result.as_numpy("OUTPUT0") == A + B).all() and (result.as_numpy("OUTPUT1") == A - B).all()
    assert ("data" in result.get_output("OUTPUT0")) is not asked
    assert ("binary_data_size" in result.get_output("OUTPUT0").get("parameters", {})) is asked


def test_every_datatype_as_json(client):
    # The client writes no 16-bit floats as JSON.
    names = [name for name in SAMPLES if name != "FP16"]
    inputs = [infer_input(f"in_{name}", SAMPLES[name], name, binary_data=False) for name in names] + [infer_input("in_FP16", SAMPLES["FP16"], "FP16")]
    result = client.infer("datatypes", inputs, outputs=[output(f"out_{name}", binary_data=False) for name in SAMPLES])
    for name, sample in SAMPLES.items():
        answer = result.as_numpy(f"out_{name}")
        if name == "BYTES":
            assert answer.tolist() == sample.tolist()
        else:
            assert answer.dtype == sample.dtype
            np.testing.assert_array_equal(answer, sample)


def test_bodies_by_hand(client):
    """What people do who have an HTTP client of their own: tritonclient makes the body and reads the answer."""
    import requests

    module = httpclient_asyncio if IS_ASYNCIO else httpclient
    body, json_size = module.InferenceServerClient.generate_request_body(pair(), outputs=[output("OUTPUT0"), output("OUTPUT1")], request_id="by hand")
    answer = requests.post(f"http://{HTTP}/v2/models/simple/infer", data=body, headers={"Inference-Header-Content-Length": str(json_size)}, timeout=20)
    header = answer.headers["Inference-Header-Content-Length"]
    result = module.InferenceServerClient.parse_response_body(answer.content, header_length=int(header))
    assert (result.as_numpy("OUTPUT0") == A + B).all()
    assert result.get_response()["id"] == "by hand"
    assert [part["name"] for part in result.get_response()["outputs"]] == ["OUTPUT0", "OUTPUT1"]
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_raw_binary(client):
    """A body that is the one input and nothing else."""
    import requests

    numbers = np.array([1, 2, 3, 4], np.float32)
    answer = requests.post(f"http://{HTTP}/v2/models/scores/infer", data=numbers.tobytes(), headers={"Inference-Header-Content-Length": "0"}, timeout=20)
    assert answer.status_code == 200, answer.text
    result = httpclient.InferenceServerClient.parse_response_body(answer.content, header_length=int(answer.headers["Inference-Header-Content-Length"]))
    assert result.as_numpy("OUTPUT").tolist() == [[1, 2, 3, 4]]


def test_query_parameters(client):
    assert client.is_server_live(query_params={"test_1": 1})
    assert client.get_model_metadata("simple", query_params={"test_1": 1, "test_2": [2, 3]})["name"] == "simple"
    assert (client.infer("simple", pair(), query_params={"a": "b"}).as_numpy("OUTPUT0") == A + B).all()


def test_requests_under_way_together(client):
    if IS_ASYNCIO:

        async def many():
            async with httpclient_asyncio.InferenceServerClient(url=HTTP) as mine:
                answers = await asyncio.gather(*(mine.infer("simple", pair(A + index), request_id=str(index)) for index in range(100)))
                return [(index, int(answer.get_response()["id"]), answer.as_numpy("OUTPUT0")) for index, answer in enumerate(answers)]

        found = asyncio.run(many())
    else:
        mine = connect(concurrency=8)
        handles = [mine.async_infer("simple", pair(A + index), request_id=str(index), timeout=20_000_000) for index in range(100)]
        answers = [handle.get_result() for handle in handles]
        found = [(index, int(answer.get_response()["id"]), answer.as_numpy("OUTPUT0")) for index, answer in enumerate(answers)]
        failing = mine.async_infer("nobody", pair())
        refused(failing.get_result, "nobody")
        mine.close()
    assert len(found) == 100
    for index, key, answer in found:
        assert key == index and (answer == A + index + B).all()


def test_client_that_waits_no_longer(client):
    """It closes its connection: what had not begun is never run, what had is not counted, and the server goes on."""
    impatient = {"conn_timeout": 0.3} if IS_ASYNCIO else {"network_timeout": 0.3}
    before = statistics(client, "slow")
    mine = [connect(**impatient) for _ in range(3)]
    for each in mine:
        with pytest.raises(Exception) as caught:
            each.infer("slow", rounds(8000))
        assert "time" in type(caught.value).__name__.lower() or "time" in str(caught.value), caught.value
        each.close()
    # Behind the one run that could not be taken back.
    assert client.infer("slow", rounds(1)).as_numpy("SUM").shape == (128,)
    after = statistics(client, "slow")
    for count in ("inference_count", "execution_count"):
        assert int(after[count]) - int(before[count]) == 1, count
    until(lambda: client.is_server_ready())


def test_mistakes_in_json(client):
    import requests

    for body, text in [("{", "parse"), ('{"inputs": 3}', "inputs"), ("[]", ""), ('{"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "INT32", "data": [1]}]}', "inputs[0].data")]:
        answer = requests.post(f"http://{HTTP}/v2/models/simple/infer", data=body, timeout=20)
        assert answer.status_code == 400 and text in answer.json()["error"], answer.text
    refused(lambda: client.infer("scores", [infer_input("INPUT", np.zeros((1, 4), np.float32))], outputs=[output("OUTPUT", class_count=2, binary_data=False), output("OUTPUT")]), "OUTPUT", status=INVALID)
