"""What every flavour of tritonclient can do, against our server."""
import threading

import numpy as np
import pytest
import tritonclient.utils.shared_memory as shm
from flavours import FLAVOUR, IS_GRPC, TENSORS, connect, document, infer_input, output, until
from tritonclient.utils import InferenceServerException

A = np.arange(16, dtype=np.int32).reshape(1, 16)
B = np.full((1, 16), 3, dtype=np.int32)


@pytest.fixture(scope="module")
def client():
    made = connect()
    yield made
    made.close()


def pair(a=A, b=B, **options):
    return [infer_input("INPUT0", a, **options), infer_input("INPUT1", b, **options)]


def refused(call, *texts, status=None):
    with pytest.raises(InferenceServerException) as caught:
        call()
    for text in texts:
        assert text in caught.value.message(), caught.value.message()
    if status is not None:
        assert caught.value.status() == status[IS_GRPC], caught.value
    return caught.value


INVALID = ("400", "StatusCode.INVALID_ARGUMENT")
UNKNOWN = ("404", "StatusCode.NOT_FOUND")
UNAVAILABLE = ("503", "StatusCode.UNAVAILABLE")

# --- what the server is ------------------------------------------------------------------------------------------------------


def test_health(client):
    assert client.is_server_live() is True
    assert client.is_server_ready() is True
    assert client.is_model_ready("simple") is True
    assert client.is_model_ready("simple", "1") is True
    assert not client.is_model_ready("simple", "9")
    assert not client.is_model_ready("nobody")


def test_server_metadata(client):
    metadata = document(client.get_server_metadata())
    assert metadata["name"] == "modelport" and metadata["version"]
    assert {"binary_tensor_data", "statistics", "sequence", "system_shared_memory"} <= set(metadata["extensions"])


def test_model_metadata(client):
    for version in ("", "1"):
        metadata = document(client.get_model_metadata("simple", version))
        assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("simple", ["1"], "onnxruntime_onnx")
        found = [(t["name"], t["datatype"], [int(d) for d in t["shape"]]) for t in metadata["inputs"] + metadata["outputs"]]
        assert found == [(name, "INT32", [-1, 16]) for name in ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1")]
    refused(lambda: client.get_model_metadata("nobody"), "Request for unknown model: 'nobody' is not found", status=UNKNOWN)
    refused(lambda: client.get_model_metadata("simple", "9"), "Request for unknown model: 'simple' version 9 is not found", status=UNKNOWN)


def test_model_config(client):
    config = document(client.get_model_config("simple"))
    config = config.get("config", config)
    assert config["name"] == "simple" and config["max_batch_size"] == 8 and config["platform"] == "onnxruntime_onnx"
    assert [(t["name"], t["data_type"], [int(d) for d in t["dims"]]) for t in config["input"]] == [("INPUT0", "TYPE_INT32", [16]), ("INPUT1", "TYPE_INT32", [16])]
    sequence = document(client.get_model_config("simple_sequence", "1"))
    assert "sequence_batching" in sequence.get("config", sequence)
    refused(lambda: client.get_model_config("nobody"), "nobody", status=UNKNOWN)


def index(client):
    found = document(client.get_model_repository_index())
    return {entry["name"]: entry for entry in (found["models"] if IS_GRPC else found)}


def test_repository_index(client):
    found = index(client)
    assert found["simple"]["version"] == "1" and found["simple"]["state"] == "READY"
    assert {"simple", "simple_string", "simple_sequence", "densenet_onnx"} <= set(found)


def statistics(client, model):
    [found] = document(client.get_inference_statistics(model))["model_stats"]
    return found


def test_statistics(client):
    before = statistics(client, "simple")
    client.infer("simple", pair(np.tile(A, (3, 1)), np.tile(B, (3, 1))))
    client.infer("simple", pair())
    after = statistics(client, "simple")
    assert after["name"] == "simple" and after["version"] == "1"
    assert int(after["inference_count"]) - int(before["inference_count"]) == 4
    assert int(after["execution_count"]) - int(before["execution_count"]) == 2
    for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert int(after["inference_stats"][part]["count"]) - int(before["inference_stats"][part]["count"]) == 2, part
        assert int(after["inference_stats"][part]["ns"]) >= int(before["inference_stats"][part]["ns"])
    assert int(after["inference_stats"]["success"]["ns"]) > int(before["inference_stats"]["success"]["ns"])
    assert {int(batch["batch_size"]) for batch in after["batch_stats"]} >= {1, 3}
    assert int(after["last_inference"]) > 1_600_000_000_000
    everything = document(client.get_inference_statistics())["model_stats"]
    assert {"simple", "datatypes"} <= {found["name"] for found in everything}
    assert len(document(client.get_inference_statistics("simple", "1"))["model_stats"]) == 1
    refused(lambda: client.get_inference_statistics("nobody"), "nobody")


# --- loading -------------------------------------------------------------------------------------------------------------------


def test_load_and_unload(client):
    client.unload_model("scores")
    until(lambda: not client.is_model_ready("scores"))
    assert index(client)["scores"]["state"] == "UNAVAILABLE" and index(client)["scores"]["reason"] == "unloaded"
    refused(lambda: client.infer("scores", [infer_input("INPUT", np.zeros((1, 4), np.float32))]), "scores")
    client.load_model("scores")
    assert client.is_model_ready("scores")
    client.unload_model("scores", unload_dependents=True)
    until(lambda: not client.is_model_ready("scores"))
    client.load_model("scores")
    assert client.is_model_ready("scores")
    refused(lambda: client.load_model("nobody"), "failed to load 'nobody', failed to poll from model repository")


def batch_size_of(client, model):
    config = document(client.get_model_config(model))
    return config.get("config", config)["max_batch_size"]


def test_load_with_another_config(client):
    client.load_model("simple_int8", config='{"max_batch_size":"16"}')
    assert batch_size_of(client, "simple_int8") == 16
    big = np.ones((16, 16), np.int8)
    assert (client.infer("simple_int8", pair(big, big)).as_numpy("OUTPUT0") == 2).all()
    refused(lambda: client.load_model("simple_int8", config='"parameters": {"config": {{"max_batch_size": "16"}}}'), "failed to load")
    assert client.is_model_ready("simple_int8")
    client.load_model("simple_int8")
    assert batch_size_of(client, "simple_int8") == 8


def test_load_with_files(client, models):
    content = (models / "more/scores/1/model.onnx").read_bytes()
    config = '{"backend": "onnxruntime", "max_batch_size": 4}'
    client.load_model("given", config=config, files={"file:1/model.onnx": content, "file:3/model.onnx": content})
    result = client.infer("given", [infer_input("INPUT", np.array([[4, 3, 2, 1]], np.float32))])
    assert result.as_numpy("OUTPUT").tolist() == [[4, 3, 2, 1]]
    assert result.get_response()["model_version"] == "3" if not IS_GRPC else result.get_response().model_version == "3"
    refused(lambda: client.load_model("given", files={"file:1/model.onnx": content}), "failed to load")
    client.unload_model("given")
    until(lambda: not client.is_model_ready("given"))


# --- infer ---------------------------------------------------------------------------------------------------------------------


def test_infer(client):
    result = client.infer("simple", pair(), request_id="seven", model_version="1")
    assert (result.as_numpy("OUTPUT0") == A + B).all() and (result.as_numpy("OUTPUT1") == A - B).all()
    assert result.as_numpy("OUTPUT0").dtype == np.int32
    response = document(result.get_response())
    assert (response["id"], response["model_name"], response["model_version"]) == ("seven", "simple", "1")
    assert result.as_numpy("OUTPUT7") is None


def test_requested_outputs(client):
    result = client.infer("simple", pair(), outputs=[output("OUTPUT1")])
    assert result.as_numpy("OUTPUT0") is None and (result.as_numpy("OUTPUT1") == A - B).all()
    both = client.infer("simple", pair(), outputs=[output("OUTPUT1"), output("OUTPUT0")])
    assert [tensor["name"] for tensor in document(both.get_response())["outputs"]] == ["OUTPUT1", "OUTPUT0"]


def test_rows(client):
    a, b = np.arange(128, dtype=np.int32).reshape(8, 16), np.ones((8, 16), np.int32)
    assert (client.infer("simple", pair(a, b)).as_numpy("OUTPUT0") == a + b).all()


SAMPLES = {
    "BOOL": np.array([[True, False, True]]),
    "INT8": np.array([[-128, 0, 127]], np.int8),
    "INT32": np.array([[-(2**31), 0, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 2**53 + 1, 2**63 - 1]], np.int64),
    "UINT64": np.array([[0, 2**53 + 1, 2**64 - 1]], np.uint64),
    "FP16": np.array([[1.5, -0.333251953125, 65504]], np.float16),
    "FP32": np.array([[1e-38, np.inf, np.nan]], np.float32),
    "BYTES": np.array([["", "grüße", "四\n "]], dtype=np.object_),
}


def check_datatypes(client, **options):
    outputs = None if IS_GRPC else [output(f"out_{name}", **options) for name in SAMPLES]
    result = client.infer("datatypes", [infer_input(f"in_{name}", sample, name, **options) for name, sample in SAMPLES.items()], outputs=outputs)
    for name, sample in SAMPLES.items():
        answer = result.as_numpy(f"out_{name}")
        if name == "BYTES":
            assert [[x.decode() if isinstance(x, bytes) else x for x in row] for row in answer] == sample.tolist()
        else:
            assert answer.dtype == sample.dtype
            np.testing.assert_array_equal(answer, sample)


def test_every_datatype(client):
    check_datatypes(client)


def test_long_text(client):
    words = np.array([["", "ü" * 35000, "b" * 3]], dtype=np.object_)
    answer = client.infer("simple_identity", [infer_input("INPUT0", words)]).as_numpy("OUTPUT0")
    assert [len(word) for word in answer[0]] == [0, 70000, 3]


def test_bytes_that_are_no_text(client):
    # Strings of ONNX models are text, so they are refused and never changed on the way.
    for word in (b"\xff\xfe", b"a\x00b"):
        refused(lambda: client.infer("simple_identity", [infer_input("INPUT0", np.array([[b"fine", word]], dtype=np.object_))]), "element 1 of the input 'INPUT0' is not text", status=INVALID)


def test_numbers_as_text(client):
    words = [np.array([[str(x) for x in range(16)]], dtype=np.object_), np.array([["1"] * 16], dtype=np.object_)]
    result = client.infer("simple_string", pair(*words))
    assert [int(x) for x in result.as_numpy("OUTPUT0")[0]] == [x + 1 for x in range(16)]
    assert [int(x) for x in result.as_numpy("OUTPUT1")[0]] == [x - 1 for x in range(16)]


def test_classification(client):
    scores = np.array([[0.5, 4.25, -1, 2], [9, 0, 0, 8]], np.float32)
    result = client.infer("scores", [infer_input("INPUT", scores)], outputs=[output("OUTPUT", class_count=2)])
    rows = [[x.decode() if isinstance(x, bytes) else x for x in row] for row in result.as_numpy("OUTPUT")]
    assert [[(float(x.split(":")[0]), *x.split(":")[1:]) for x in row] for row in rows] == [[(4.25, "1", "one"), (2.0, "3", "three")], [(9.0, "0", "zero"), (8.0, "3", "three")]]


def test_compression(client):
    wide = np.array([["word %d" % (x % 10) for x in range(5000)]], dtype=np.object_)
    expected = [x.encode() for x in wide[0]]
    for algorithm in ("gzip", "deflate"):
        if IS_GRPC:
            ways = [{"compression_algorithm": algorithm}]
        else:
            ways = [{"request_compression_algorithm": algorithm}, {"response_compression_algorithm": algorithm}, {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}]
        for way in ways:
            answer = client.infer("simple_identity", [infer_input("INPUT0", wide)], **way).as_numpy("OUTPUT0")
            assert [x.encode() if isinstance(x, str) else x for x in answer[0]] == expected, way


def test_parameters(client):
    result = client.infer("simple", pair(), parameters={"text": "yes", "number": 3, "switch": True}, priority=1, timeout=5_000_000)
    assert (result.as_numpy("OUTPUT0") == A + B).all()
    refused(lambda: client.infer("simple", pair(), parameters={"sequence_id": 3}), "reserved")


def test_headers(client):
    assert (client.infer("simple", pair(), headers={"test": "1", "x-request-id": "abc"}).as_numpy("OUTPUT0") == A + B).all()
    assert client.is_server_live(headers={"test": "1"})


# --- sequences -----------------------------------------------------------------------------------------------------------------


def one(value, dtype=np.int32):
    return np.array([[value]], dtype)


@pytest.mark.parametrize("key", [1201, "four-five-six"])
def test_sequence(client, key):
    if not IS_GRPC and isinstance(key, str):
        key = f"{key}-http"
    answers = []
    for position, value in enumerate([20, 7, 5]):
        result = client.infer("simple_sequence", [infer_input("INPUT", one(value))], sequence_id=key, sequence_start=position == 0, sequence_end=position == 2)
        answers.append(int(result.as_numpy("OUTPUT")[0][0]))
    assert answers == [21, 7, 5]
    refused(lambda: client.infer("simple_sequence", [infer_input("INPUT", one(1))], sequence_id=key), "simple_sequence", "must specify the START flag on the first request of the sequence", status=INVALID)
    refused(lambda: client.infer("simple_sequence", [infer_input("INPUT", one(1))]), "correlation ID", status=INVALID)


def test_state_of_sequences(client):
    sums = {}
    for step in range(4):
        for key in (31, 32, 33):
            values = np.array([[step, key]], np.float32)
            result = client.infer("running_sum", [infer_input("INPUT", values)], sequence_id=key, sequence_start=step == 0, sequence_end=step == 3)
            sums[key] = result.as_numpy("OUTPUT").tolist()
    assert sums == {key: [[6, 4 * key]] for key in (31, 32, 33)}


# --- mistakes ------------------------------------------------------------------------------------------------------------------


def test_mistakes(client):
    refused(lambda: client.infer("nobody", pair()), "Request for unknown model: 'nobody' is not found", status=UNKNOWN)
    refused(lambda: client.infer("simple", pair(), model_version="9"), "Request for unknown model: 'simple' version 9 is not found", status=UNKNOWN)
    refused(lambda: client.infer("simple", pair()[:1]), "expected 2 inputs but got 1 inputs for model 'simple'", "missing required input(s) ['INPUT1']", status=INVALID)
    refused(lambda: client.infer("simple", pair(A.astype(np.float32))), "INPUT0", "FP32", "INT32", status=INVALID)
    refused(lambda: client.infer("simple", pair(np.zeros((1, 15), np.int32))), "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,15]", status=INVALID)
    refused(lambda: client.infer("simple", pair() + [infer_input("INPUT2", A)]), "INPUT2", status=INVALID)
    refused(lambda: client.infer("simple", pair(), outputs=[output("OUTPUT2")]), "unexpected inference output 'OUTPUT2' for model 'simple'", status=INVALID)
    refused(lambda: client.infer("simple", pair(np.zeros((9, 16), np.int32), np.zeros((9, 16), np.int32))), "batch-size must be <= 8", status=INVALID)
    refused(lambda: client.infer("simple", pair(), model_version="latest"), "latest")


def test_client_goes_on_after_mistakes(client):
    for _ in range(3):
        refused(lambda: client.infer("nobody", pair()))
    assert (client.infer("simple", pair()).as_numpy("OUTPUT0") == A + B).all()


def rounds(count):
    return [infer_input("ROUNDS", np.array([count], np.int64))]


def in_threads(work, count):
    """Runs `work(index)` in threads at once, each with a client of its own."""
    outcomes = [None] * count

    def run(index):
        mine = connect()
        try:
            outcomes[index] = work(mine, index)
        except InferenceServerException as error:
            outcomes[index] = error
        finally:
            mine.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_many_clients_at_once(client):
    def work(mine, index):
        return all((mine.infer("simple", pair(A + index * 100 + turn)).as_numpy("OUTPUT0") == A + B + index * 100 + turn).all() for turn in range(20))

    assert in_threads(work, 8) == [True] * 8


def test_full_queue(client):
    outcomes = in_threads(lambda mine, _: mine.infer("slow", rounds(4000)), 12)
    errors = [outcome for outcome in outcomes if isinstance(outcome, InferenceServerException)]
    assert 0 < len(errors) < 12
    for error in errors:
        assert "Exceeds maximum queue size" in error.message() and error.status() == UNAVAILABLE[IS_GRPC], error


def test_timeout_in_the_queue(client):
    def work(mine, index):
        if index == 0:
            return mine.infer("slow", rounds(6000))
        until(lambda: int(statistics(client, "slow")["inference_count"]) >= 0)
        return mine.infer("slow", rounds(1), timeout=20_000)

    executions = int(statistics(client, "slow")["execution_count"])
    held = threading.Thread(target=lambda: in_threads(lambda mine, _: mine.infer("slow", rounds(8000)), 1))
    held.start()
    outcomes = []
    # The first request may not have begun to run: another one waits behind it then, or runs before it.
    while held.is_alive() and not any(isinstance(outcome, InferenceServerException) for outcome in outcomes):
        outcomes += in_threads(lambda mine, _: mine.infer("slow", rounds(1), timeout=20_000), 1)
    held.join()
    expired = [outcome for outcome in outcomes if isinstance(outcome, InferenceServerException)]
    assert len(expired) == 1 and "Request timeout expired" in expired[0].message(), outcomes
    assert int(statistics(client, "slow")["execution_count"]) == executions + 1 + len(outcomes) - 1


# --- shared memory -------------------------------------------------------------------------------------------------------------


def test_system_shared_memory(client):
    key, size = f"/modelport-test-{FLAVOUR}", 4 * 64
    handle = shm.create_shared_memory_region("region", key, size)
    try:
        client.unregister_system_shared_memory()
        assert len(regions(client)) == 0
        shm.set_shared_memory_region(handle, [A, B])
        client.register_system_shared_memory("region", key, size)
        [status] = regions(client).values()
        assert (status["name"], status["key"], int(status["byte_size"]), int(status.get("offset", 0))) == ("region", key, size, 0)
        inputs = [TENSORS.InferInput("INPUT0", [1, 16], "INT32"), TENSORS.InferInput("INPUT1", [1, 16], "INT32")]
        inputs[0].set_shared_memory("region", 64)
        inputs[1].set_shared_memory("region", 64, offset=64)
        outputs = [output("OUTPUT0"), output("OUTPUT1")]
        outputs[0].set_shared_memory("region", 64, offset=128)
        outputs[1].set_shared_memory("region", 64, offset=192)
        result = client.infer("simple", inputs, outputs=outputs)
        assert (shm.get_contents_as_numpy(handle, np.int32, [1, 16], offset=128) == A + B).all()
        assert (shm.get_contents_as_numpy(handle, np.int32, [1, 16], offset=192) == A - B).all()
        found = result.get_output("OUTPUT0")
        assert [int(d) for d in (found.shape if IS_GRPC else found["shape"])] == [1, 16]

        refused(lambda: client.register_system_shared_memory("region", key, size), "region", "already")
        refused(lambda: client.register_system_shared_memory("other", "/modelport-test-nothing", size), "Unable to open shared memory region: '/modelport-test-nothing'")
        inputs[0].set_shared_memory("region", 64, offset=size)
        refused(lambda: client.infer("simple", inputs), "region", status=INVALID)
        inputs[0].set_shared_memory("nothing", 64)
        refused(lambda: client.infer("simple", inputs), "nothing")
        refused(lambda: client.get_system_shared_memory_status("nothing"), "nothing")
        client.unregister_system_shared_memory("region")
        assert len(regions(client)) == 0
        client.register_system_shared_memory("region", key, 64, offset=64)
        assert [int(status["offset"]) for status in regions(client).values()] == [64]
        client.unregister_system_shared_memory()
        assert len(regions(client)) == 0
    finally:
        shm.destroy_shared_memory_region(handle)


def regions(client):
    found = document(client.get_system_shared_memory_status())
    return found["regions"] if IS_GRPC else {region["name"]: region for region in found}


def test_bytes_in_shared_memory(client):
    from tritonclient.utils import serialize_byte_tensor

    words = np.array([["a", "grüße", ""]], dtype=np.object_)
    serialized = serialize_byte_tensor(words)
    size = len(serialized.item())
    key = f"/modelport-words-{FLAVOUR}"
    handle = shm.create_shared_memory_region("words", key, size)
    try:
        shm.set_shared_memory_region(handle, [serialized])
        client.register_system_shared_memory("words", key, size)
        tensor = TENSORS.InferInput("INPUT0", [1, 3], "BYTES")
        tensor.set_shared_memory("words", size)
        answer = client.infer("simple_identity", [tensor]).as_numpy("OUTPUT0")
        assert [x.decode() if isinstance(x, bytes) else x for x in answer[0]] == words[0].tolist()
        client.unregister_system_shared_memory("words")
    finally:
        shm.destroy_shared_memory_region(handle)


def test_cuda_shared_memory(client):
    found = document(client.get_cuda_shared_memory_status())
    assert len(found["regions"] if IS_GRPC else found) == 0
    refused(lambda: client.register_cuda_shared_memory("gpu", b"AAAA", 0, 64), "gpu", "GPUs not supported", status=INVALID)
    client.unregister_cuda_shared_memory()
    client.unregister_cuda_shared_memory("gpu")


# --- settings ------------------------------------------------------------------------------------------------------------------


def settings_of(message):
    found = document(message)
    if not IS_GRPC:
        return found
    return {name: value["value"] if "value" in value else next(iter(value.values())) for name, value in found["settings"].items()}


def as_text(value):
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def test_trace_settings(client):
    before = settings_of(client.get_trace_settings())
    assert {"trace_level", "trace_rate", "trace_count", "log_frequency"} <= set(before)
    changed = settings_of(client.update_trace_settings(settings={"trace_rate": "17", "trace_level": ["TIMESTAMPS"]}))
    assert as_text(changed["trace_rate"]) == "17" and changed["trace_level"] in (["TIMESTAMPS"], "TIMESTAMPS")
    own = settings_of(client.update_trace_settings(model_name="simple", settings={"trace_rate": "18"}))
    assert as_text(own["trace_rate"]) == "18"
    assert as_text(settings_of(client.get_trace_settings())["trace_rate"]) == "17"
    assert as_text(settings_of(client.get_trace_settings("simple"))["trace_rate"]) == "18"
    cleared = settings_of(client.update_trace_settings(model_name="simple", settings={"trace_rate": None}))
    assert as_text(cleared["trace_rate"]) == "17"
    reset = settings_of(client.update_trace_settings(settings={"trace_rate": None, "trace_level": None}))
    assert reset["trace_rate"] == before["trace_rate"] and reset["trace_level"] == before["trace_level"]
    refused(lambda: client.get_trace_settings("nobody"), "nobody")
    refused(lambda: client.update_trace_settings(settings={"no_such_setting": "1"}), "no_such_setting", status=INVALID)


def test_log_settings(client):
    before = settings_of(client.get_log_settings())
    assert {"log_info", "log_warning", "log_error", "log_verbose_level", "log_format"} <= set(before)
    changed = settings_of(client.update_log_settings({"log_verbose_level": 2, "log_info": False, "log_format": "ISO8601"}))
    assert int(changed["log_verbose_level"]) == 2 and changed["log_info"] is False and changed["log_format"] == "ISO8601"
    assert settings_of(client.get_log_settings()) == changed
    client.update_log_settings({name: int(value) if name == "log_verbose_level" else value for name, value in before.items() if name != "log_file"})
    assert settings_of(client.get_log_settings()) == before
    refused(lambda: client.update_log_settings({"no_such_setting": True}), "no_such_setting", status=INVALID)
