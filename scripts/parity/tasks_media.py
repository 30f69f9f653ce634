"""Tiny random models of transformers as ONNX, and what transformers' own pipelines answer with them: the fixtures of
test/tasks/parity.test.ts. Needs torch, transformers, onnx, onnxscript and scipy:

    python3 scripts/parity/tasks_media.py test/fixtures/tasks

Each folder is as Hugging Face has it (config.json, preprocessor_config.json, model.onnx) with expected.json beside it.
"""
import base64
import json
import math
import pathlib
import sys
import warnings
import wave

import numpy
import onnx
import torch
import transformers
from PIL import Image

warnings.filterwarnings("ignore")
transformers.logging.set_verbosity_error()
HERE = pathlib.Path(__file__).resolve().parents[2]
PHOTO = HERE / "test/fixtures/images/photo.jpg"
OUT = pathlib.Path(sys.argv[1])


def seeded(make):
    torch.manual_seed(20)
    model = make().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Random weights answer nearly the same for everything: larger ones tell more apart.
            if weight.dim() > 1:
                weight.mul_(4)
    return model


class Outputs(torch.nn.Module):
    def __init__(self, model, inputs, names):
        super().__init__()
        self.model, self.inputs, self.names = model, inputs, names

    def forward(self, *tensors):
        answer = self.model(**dict(zip(self.inputs, tensors)))
        return tuple(answer[name] for name in self.names)


def save(folder, model, inputs, names, dynamic, extra=()):
    to = OUT / "models" / folder
    to.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        program = torch.onnx.export(
            Outputs(model, list(inputs), names), tuple(inputs.values()), dynamo=True, opset_version=18, verbose=False,
            input_names=list(inputs), output_names=names, dynamic_shapes=(tuple(dynamic.get(name) for name in inputs),), optimize=True,
        )
    program.save(str(to / "model.onnx"), external_data=False)
    strip(to / "model.onnx")
    model.config.save_pretrained(to)
    for processor in extra:
        processor.save_pretrained(to)
    return to


def strip(path):
    """Without the exporter's notes on where in Python each node comes from."""
    model = onnx.load(path)
    for one in [model, model.graph, *model.functions, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer, *(node for function in model.functions for node in function.node)]:
        one.doc_string = ""
        if hasattr(one, "metadata_props"):
            del one.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, path)


def write(to, value):
    (to / "expected.json").write_text(json.dumps(value, indent=1) + "\n")
    print(to.name, sum(path.stat().st_size for path in to.iterdir()), "bytes")


def image_classification():
    labels = {index: f"class {index}" for index in range(5)}
    config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8, id2label=labels, label2id={v: k for k, v in labels.items()})
    model = seeded(lambda: transformers.ViTForImageClassification(config))
    for folder, processor in {
        "vit": transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}, resample=2),
        "vit-crop": transformers.CLIPImageProcessorPil(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}, resample=3),
    }.items():
        to = save(folder, model, {"pixel_values": torch.zeros(2, 3, 32, 32)}, ["logits"], {"pixel_values": {0: torch.export.Dim("batch_size")}}, [processor])
        pipeline = transformers.pipeline("image-classification", model=model, image_processor=processor, device="cpu")
        write(to, pipeline(Image.open(PHOTO), top_k=5))


def object_detection():
    labels = {index: f"thing {index}" for index in range(6)}
    backbone = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    config = transformers.DetrConfig(use_timm_backbone=False, backbone=None, use_pretrained_backbone=False, backbone_config=backbone, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=12, id2label=labels, label2id={v: k for k, v in labels.items()})
    model = seeded(lambda: transformers.DetrForObjectDetection(config))
    with torch.no_grad():
        # Queries that look for different things.
        model.model.query_position_embeddings.weight.mul_(4)
        for name, weight in model.named_parameters():
            if "decoder" in name and "encoder_attn" in name and weight.dim() > 1:
                weight.mul_(8 if "q_proj" in name or "k_proj" in name else 3)
        model.class_labels_classifier.weight.mul_(6)
        for layer in model.bbox_predictor.layers:
            layer.weight.mul_(2)
    processor = transformers.DetrImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 90})
    given = dict(processor(Image.open(PHOTO), return_tensors="pt"))
    height, width = torch.export.Dim("height", min=33, max=4096), torch.export.Dim("width", min=33, max=4096)
    to = save("detr", model, {"pixel_values": given["pixel_values"]}, ["logits", "pred_boxes"], {"pixel_values": {2: height, 3: width}}, [processor])
    pipeline = transformers.pipeline("object-detection", model=model, image_processor=processor, device="cpu")
    write(to, pipeline(Image.open(PHOTO), threshold=0.1))


def image_segmentation():
    labels = {index: f"stuff {index}" for index in range(4)}
    config = transformers.SegformerConfig(num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, id2label=labels, label2id={v: k for k, v in labels.items()})
    model = seeded(lambda: transformers.SegformerForSemanticSegmentation(config))
    processor = transformers.SegformerImageProcessorPil(size={"height": 64, "width": 64})
    to = save("segformer", model, {"pixel_values": torch.zeros(2, 3, 64, 64)}, ["logits"], {"pixel_values": {0: torch.export.Dim("batch_size")}}, [processor])
    pipeline = transformers.pipeline("image-segmentation", model=model, image_processor=processor, device="cpu")
    found = pipeline(Image.open(PHOTO), subtask="semantic")
    masks = [numpy.packbits(numpy.asarray(each["mask"]) > 0) for each in found]
    size = found[0]["mask"].size
    write(to, {"width": size[0], "height": size[1], "segments": [{"label": each["label"], "bits": base64.b64encode(bits.tobytes()).decode()} for each, bits in zip(found, masks)]})


def samples(count):
    return numpy.array([0.5 * math.sin(i * 0.05) + 0.2 * math.sin(i * i * 0.0001) for i in range(count)], dtype=numpy.float32)


def audio_classification():
    labels = {index: f"sound {index}" for index in range(5)}
    names = {"id2label": labels, "label2id": {v: k for k, v in labels.items()}}
    heard = (samples(16000) * 32767).round().astype(numpy.int16)
    with wave.open(str(OUT / "sound.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(heard.tobytes())
    floats = heard.astype(numpy.float32) / 32768

    config = transformers.Wav2Vec2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=[8, 8, 8], conv_stride=[5, 4, 4], conv_kernel=[10, 4, 4], num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, classifier_proj_size=8, **names)
    model = seeded(lambda: transformers.Wav2Vec2ForSequenceClassification(config))
    extractor = transformers.Wav2Vec2FeatureExtractor()
    to = save("wav2vec2", model, {"input_values": torch.zeros(1, 16000)}, ["logits"], {"input_values": {1: torch.export.Dim("samples", min=1000, max=1_000_000)}}, [extractor])
    write(to, transformers.pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")(floats, top_k=5))

    config = transformers.ASTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_length=120, num_mel_bins=32, patch_size=16, **names)
    model = seeded(lambda: transformers.ASTForAudioClassification(config))
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=120)
    to = save("ast", model, {"input_values": torch.zeros(2, 120, 32)}, ["logits"], {"input_values": {0: torch.export.Dim("batch_size")}}, [extractor])
    write(to, transformers.pipeline("audio-classification", model=model, feature_extractor=extractor, device="cpu")(floats, top_k=5))


def audio_features():
    import scipy.signal

    def text(array):
        return base64.b64encode(numpy.ascontiguousarray(array, dtype="<f4").tobytes()).decode()

    given = samples(4000)
    whisper = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1)
    ast = transformers.ASTFeatureExtractor(num_mel_bins=24, max_length=30, mean=-4, std=4)
    found = {
        "whisper": {"bands": 20, "frames": 100, "values": text(whisper(given, sampling_rate=16000, return_tensors="np")["input_features"][0])},
        "kaldi": {"bands": 24, "frames": 30, "mean": -4, "std": 4, "values": text(ast(given, sampling_rate=16000, return_tensors="np")["input_values"][0])},
        "wav2vec2": text(transformers.Wav2Vec2FeatureExtractor()(given[:200], sampling_rate=16000, return_tensors="np")["input_values"][0]),
        "resampled": [],
    }
    for before, after in [(48000, 16000), (44100, 16000), (8000, 16000), (22050, 16000), (16000, 11025)]:
        divisor = math.gcd(before, after)
        found["resampled"].append({"from": before, "to": after, "count": 300, "values": text(scipy.signal.resample_poly(given[:300].astype(numpy.float64), after // divisor, before // divisor))})
    (OUT / "audio-features.json").write_text(json.dumps(found, indent=1) + "\n")


def zero_shot_image_classification():
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    # As CLIP's own, learned from a few words.
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    words = ["a photo of a cat", "a photo of a dog on a sofa", "This is a photo of the sea, the sky and two remote controls."] * 5
    tokenizer.train_from_iterator(words, trainers.BpeTrainer(vocab_size=360, special_tokens=["<|startoftext|>", "<|endoftext|>"], end_of_word_suffix="</w>", initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    start, end = tokenizer.token_to_id("<|startoftext|>"), tokenizer.token_to_id("<|endoftext|>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|startoftext|>", eos_token="<|endoftext|>", pad_token="<|endoftext|>", unk_token="<|endoftext|>", model_max_length=32)
    config = transformers.CLIPConfig(
        text_config={"vocab_size": tokenizer.get_vocab_size(), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32, "projection_dim": 8, "bos_token_id": start, "eos_token_id": end, "pad_token_id": end},
        vision_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "projection_dim": 8}, projection_dim=8)
    model = seeded(lambda: transformers.CLIPModel(config))
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    texts = fast(["a cat", "the sky and two dogs"], padding=True, return_tensors="pt")
    captions, length = torch.export.Dim("text_batch_size", min=1, max=512), torch.export.Dim("sequence_length", min=3, max=32)
    inputs = {"input_ids": texts["input_ids"], "pixel_values": torch.zeros(1, 3, 32, 32), "attention_mask": texts["attention_mask"]}
    to = save("clip", model, inputs, ["logits_per_image", "logits_per_text"], {"input_ids": {0: captions, 1: length}, "attention_mask": {0: captions, 1: length}}, [processor, fast])
    pipeline = transformers.pipeline("zero-shot-image-classification", model=model, image_processor=processor, tokenizer=fast, device="cpu")
    labels = ["cat", "dog on a sofa", "the sea", "remote control"]
    write(to, {
        "plain": pipeline(Image.open(PHOTO), candidate_labels=labels),
        "template": pipeline(Image.open(PHOTO), candidate_labels=labels, hypothesis_template="the sky and {}"),
    })


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    for make in [audio_features, audio_classification, image_classification, object_detection, image_segmentation, zero_shot_image_classification]:
        if len(sys.argv) > 2 and make.__name__ not in sys.argv[2:]:
            continue
        make()
