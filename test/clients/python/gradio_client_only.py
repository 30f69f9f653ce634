"""The unmodified gradio_client against example models, text models and a service with an endpoint for each thing that it can do."""
import struct
import time
import zlib
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from conftest import HTTP

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def client():
    return Client(f"http://{HTTP}", verbose=False, analytics_enabled=False)


def png(red, size=4):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([red, 0, 0]) * size for _ in range(size))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_view_api_tells_names_types_and_defaults(client):
    info = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    assert {"/iris", "/digits", "/parts.greet", "/text-generation"} <= set(info)
    assert [(p["parameter_name"], p["component"]) for p in info["/iris"]["parameters"]] == [(name, "Slider") for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")]
    assert [p["component"] for p in info["/digits"]["parameters"]] == ["Image", "Number"]
    assert info["/digits"]["returns"][0]["component"] == "Label"
    text = client.view_api(print_info=False, return_format="str")
    assert 'predict(name, times, loud, mood, note, api_name="/parts.greet") -> (greeting, length)' in text
    assert "mood: Literal['happy', 'sad'] (not required, defaults to:   happy)" in text


def test_predict_with_positions_names_and_defaults(client):
    assert client.predict("Ada", api_name="/parts.greet") == ("Hello Ada", 9)
    assert client.predict("Ada", 2, True, api_name="/parts.greet") == ("HELLO ADA, HELLO ADA", 20)
    assert client.predict(name="Ada", mood="sad", note="bye", api_name="/parts.greet") == ("Oh Ada (bye)", 12)
    with pytest.raises(TypeError):
        client.predict(api_name="/parts.greet")


def test_inputs_that_are_no_object(client):
    assert client.predict([1, 2, 3.5], api_name="/parts.total") == 6.5


def test_tasks_answer_with_labels(client):
    flower = client.predict(sepal_length=5.1, sepal_width=3.5, petal_length=1.4, petal_width=0.2, api_name="/iris")
    assert flower["label"] == "setosa"
    assert [c["label"] for c in flower["confidences"]] == ["setosa", "versicolor", "virginica"]
    digit = client.predict(handle_file(sorted((ROOT / "examples/models/digits").glob("**/*.png"))[0]), 2, api_name="/digits")
    assert digit["label"] in "0123456789" and len(digit["confidences"]) == 2


def test_text_tasks(client):
    assert client.predict("I love it", api_name="/text-classification")["label"] in ("NEGATIVE", "NEUTRAL", "POSITIVE")
    pieces, entities = client.predict("Hugging Face is in New York.", api_name="/token-classification")
    assert "".join(piece["token"] for piece in pieces) == "Hugging Face is in New York."
    assert sum(piece["class_or_confidence"] is not None for piece in pieces) == len(entities)


def test_labels_of_words_and_of_given_labels(client):
    label, best, gaps = client.predict("I [MASK] it, [MASK]", topK=3, api_name="/fill-mask")
    assert len(label["confidences"]) == 3 and [word["token"] for word in gaps[0]] == [each["label"] for each in label["confidences"]]
    assert len(gaps) == 2 and best == gaps[0][0]["text"]
    label = client.predict("A film.", ["sport", "cinema"], api_name="/zero-shot-classification")
    assert {each["label"] for each in label["confidences"]} == {"sport", "cinema"} and label["label"] == label["confidences"][0]["label"]


def test_what_is_found_in_a_picture_is_marked_in_it(client):
    photo = ROOT / "test/fixtures/images/photo.jpg"
    info = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    for name, arguments in (("/detr", (0.1,)), ("/segformer", ())):
        assert [each["component"] for each in info[name]["returns"]] == ["Annotatedimage", "Json"]
        annotated, found = client.predict(handle_file(photo), *arguments, api_name=name)
        assert Path(annotated["image"]).read_bytes() == photo.read_bytes()
        assert len(found) > 0 and [each["label"] for each in annotated["annotations"]] == [each["label"] for each in found]
        for each in annotated["annotations"]:
            # As large as the picture.
            assert struct.unpack(">II", Path(each["image"]).read_bytes()[16:24]) == jpeg_size(photo.read_bytes())


def jpeg_size(data):
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5 : at + 9])
    return width, height


def test_text_generation_grows(client):
    job = client.submit("hello", maxTokens=8, temperature=0, api_name="/text-generation")
    text, reason, prompt_tokens, tokens = job.result()
    assert reason in ("stop", "length") and prompt_tokens > 0 and tokens <= 8
    steps = [output[0] for output in job.outputs()]
    assert len(steps) > 2 and all(after.startswith(before) for before, after in zip(steps, steps[1:]))
    assert steps[-1] == text == client.predict("hello", maxTokens=8, temperature=0, stop=["never"], api_name="/text-generation")[0]


def test_streams_arrive_as_they_are_made(client):
    job = client.submit("one two three", api_name="/parts.words")
    assert list(job) == ["one", "one two", "one two three"]
    assert job.result() == "one two three"
    job = client.submit(2, api_name="/parts.countdown")
    assert job.result() == (0, [2, 1, 0])
    assert job.outputs() == [(2, [2]), (1, [2, 1]), (0, [2, 1, 0])]


def test_files_go_up_and_down(client, tmp_path):
    first, second = tmp_path / "a.txt", tmp_path / "grün 1.csv"
    first.write_text("first")
    second.write_text("x,y\n1,2\n")
    given = client.predict(handle_file(first), handle_file(second), api_name="/parts.swap")
    assert [Path(path).read_text() for path in given] == ["x,y\n1,2\n", "first"]
    assert [Path(path).name for path in given] == ["first.csv", "second.txt"]


def test_pictures_sound_and_lists_of_files(client, tmp_path):
    pictures = []
    for red in (10, 200):
        path = tmp_path / f"{red}.png"
        path.write_bytes(png(red))
        pictures.append(path)
    assert Path(client.predict(handle_file(pictures[0]), api_name="/parts.mirror")).read_bytes() == png(10)
    album = client.predict([handle_file(path) for path in pictures], api_name="/parts.album")
    assert [Path(each["image"]).read_bytes() for each in album] == [png(10), png(200)]
    sound = ROOT / "test/fixtures/tasks/sound.wav"
    path, size = client.predict(handle_file(sound), api_name="/parts.louder")
    assert Path(path).suffix == ".wav" and Path(path).read_bytes() == sound.read_bytes() and size == sound.stat().st_size


def test_chat_tables_and_files_inside_json(client):
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "bye"}]
    assert client.predict(messages, api_name="/parts.chat") == "3 messages, the last: bye"
    rows = {"headers": ["name", "age"], "data": [["b", 3], ["a", 1]]}
    assert client.predict(rows, api_name="/parts.rows") == {"headers": ["name", "age"], "data": [["a", 1], ["b", 3]], "metadata": None}
    made = client.predict(api_name="/parts.nested")
    assert made["many"] == 12 and Path(made["deep"][0]).read_text() == "deep down"


def test_errors_say_what_is_wrong(client):
    with pytest.raises(AppError, match="times: Input should be less than or equal to 5"):
        client.predict("Ada", 9, api_name="/parts.greet")
    with pytest.raises(AppError, match="endpoint 'parts.fails' failed") as failure:
        client.predict(api_name="/parts.fails")
    assert "secret" not in str(failure.value)
    job = client.submit(14, api_name="/parts.countdown")
    with pytest.raises(AppError, match="endpoint 'parts.countdown' failed"):
        job.result()
    assert job.outputs()[0] == (14, [14])
    with pytest.raises(AppError, match="addresses are not fetched here"):
        client.predict(handle_file(f"http://{HTTP}/favicon.svg"), api_name="/parts.mirror")


def test_a_cancelled_job_stops_its_handler(client):
    before = client.predict(api_name="/parts.hung")
    job = client.submit(api_name="/parts.hang")
    while job.status().code.value != "PROCESSING":
        time.sleep(0.02)
    assert job.cancel()
    for _ in range(100):
        if client.predict(api_name="/parts.hung") == before + 1:
            return
    pytest.fail("the handler was not told")


def test_several_jobs_at_once(client):
    jobs = [client.submit(number, api_name="/parts.together") for number in range(30)]
    assert [job.result() for job in jobs] == [2 * number for number in range(30)]
    assert client.predict(api_name="/parts.mostTogether") > 1


def test_progress_is_told(client):
    job = client.submit(60, api_name="/parts.work")
    seen = []
    while not job.done():
        progress = job.status().progress_data
        if progress:
            seen.append((progress[0].progress, progress[0].desc))
        time.sleep(0.005)
    assert job.result() == "done"
    assert seen and all(description == f"step {round(fraction * 60)}" for fraction, description in seen)


def test_many_calls_in_a_row(client):
    for number in range(40):
        assert client.predict([number, 1], api_name="/parts.total") == number + 1


def test_without_client_the_plain_stream_answers():
    import httpx

    event = httpx.post(f"http://{HTTP}/gradio_api/call/parts.words", json={"data": ["a b"]}).json()["event_id"]
    assert httpx.get(f"http://{HTTP}/gradio_api/call/parts.words/{event}").text.endswith('event: complete\ndata: ["a b"]\n\n')
