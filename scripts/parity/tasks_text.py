"""
Writes a folder per text task, as people download them (config.json, tokenizer.json, onnx/model.onnx), with random weights, and in
expected.json what the pipelines of `transformers` answer.

    python scripts/parity/tasks_text.py test/fixtures/text

Needs torch, transformers (written with 5.23), tokenizers, onnx, onnxruntime. transformers 5 has no question-answering pipeline:
its answers are computed here as that of version 4 did.
"""
import json
import os
import sys

import numpy as np
import onnxruntime
import torch
from transformers import (BertConfig, BertForMaskedLM, BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertModel, GPT2Config,
                          GPT2LMHeadModel, PreTrainedTokenizerFast, pipeline)

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from text_models import bert_tokenizer, byte_tokenizer, save_bert, save_config, save_gpt2, save_tokenizer

folder = sys.argv[1]
texts = """I loved this movie, the acting was great and the story was wonderful.
A terrible film: boring, too long, and the plot made no sense at all.
My name is Sarah Connor and I live in Los Angeles, near the Pacific Ocean.
Hugging Face Inc. is a company based in New York City. Angela Merkel met Barack Obama in Berlin on Tuesday!
The quick brown fox jumps over the lazy dog; it wasn't me, I'm sure.
Where do I live? Who is the president? What is it about?
This example is about politics. This text is about sports.""".split("\n")
samples = [*texts[:5], "x", "Grüße aus Köln, 東京 and 😀 Café naïve!", "unbelievably  great\tacting\n\nin Berlin", "Sarah Sarah Sarah", "the the the the movie was was great great and and long"]
torch.manual_seed(20)
tokenizer = bert_tokenizer(texts * 3)
size = dict(vocab_size=tokenizer.get_vocab_size(), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_position_embeddings=64, initializer_range=0.7,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager")


def fast(path):
    return PreTrainedTokenizerFast.from_pretrained(path)


def make(name, cls, **options):
    path = os.path.join(folder, name)
    save_tokenizer(tokenizer, path, "bert", 64)
    model = cls(BertConfig(**size, pad_token_id=0, **options)).eval()
    for parameter in model.parameters():
        # Biases too, and layers' norms that are not all alike.
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 1.0 if parameter.mean() > 0.5 else 0.0, 0.4)
    if cls is BertForTokenClassification:
        # Not everything is outside of names.
        model.classifier.bias.data[0] -= 3
        model.classifier.weight.data *= 2
    save_bert(model, os.path.join(path, "onnx", "model.onnx"))
    save_config(model.config, path, cls.__name__)
    session = onnxruntime.InferenceSession(os.path.join(path, "onnx", "model.onnx"))
    encoded = fast(path)([samples[0], samples[5]], padding=True, return_tensors="pt", return_token_type_ids=True)
    with torch.no_grad():
        wanted = model(**encoded)[0].numpy()
    found = session.run(None, {key: value.numpy() for key, value in encoded.items()})[0]
    assert np.abs(wanted - found).max() < 1e-4, (name, np.abs(wanted - found).max())
    return path, model, fast(path)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(member) for member in value]
    return round(float(value), 7) if isinstance(value, (float, np.floating)) else int(value) if isinstance(value, np.integer) else value


def expect(path, value):
    with open(os.path.join(path, "expected.json"), "w") as file:
        json.dump(plain(value), file, ensure_ascii=False, separators=(",", ":"))
    print(os.path.basename(path), os.path.getsize(os.path.join(path, "onnx", "model.onnx")), "bytes")


path, model, fast_tokenizer = make("text-classification", BertForSequenceClassification, num_labels=3, id2label={0: "NEGATIVE", 1: "NEUTRAL", 2: "POSITIVE"})
pipe = pipeline("text-classification", model=model, tokenizer=fast_tokenizer, device="cpu")
pairs = [(samples[0], samples[1]), (samples[2], samples[5])]
expect(path, {"texts": [[text, pipe(text, top_k=None)] for text in samples], "pairs": [[*pair, pipe({"text": pair[0], "text_pair": pair[1]}, top_k=None)] for pair in pairs]})

path, model, fast_tokenizer = make("multi-label", BertForSequenceClassification, num_labels=4, id2label={0: "toxic", 1: "insult", 2: "threat", 3: "praise"}, problem_type="multi_label_classification")
pipe = pipeline("text-classification", model=model, tokenizer=fast_tokenizer, device="cpu")
expect(path, {"texts": [[text, pipe(text, top_k=None)] for text in samples]})

labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
path, model, fast_tokenizer = make("token-classification", BertForTokenClassification, num_labels=7, id2label=dict(enumerate(labels)))
answers = {}
for strategy in ("none", "simple", "first", "average", "max"):
    pipe = pipeline("token-classification", model=model, tokenizer=fast_tokenizer, device="cpu", aggregation_strategy=strategy)
    answers[strategy] = [[text, pipe(text)] for text in samples]
expect(path, answers)

path, model, fast_tokenizer = make("zero-shot-classification", BertForSequenceClassification, num_labels=3, id2label={0: "contradiction", 1: "neutral", 2: "entailment"}, label2id={"contradiction": 0, "neutral": 1, "entailment": 2})
pipe = pipeline("zero-shot-classification", model=model, tokenizer=fast_tokenizer, device="cpu")
cases = []
for text in samples[:6]:
    for multi in (False, True):
        cases.append([{"text": text, "labels": ["politics", "sports", "the movie"], "multiLabel": multi}, pipe(text, ["politics", "sports", "the movie"], multi_label=multi)])
cases.append([{"text": samples[0], "labels": ["great"], "hypothesisTemplate": "It was {}!"}, pipe(samples[0], ["great"], hypothesis_template="It was {}!")])
expect(path, cases)

path, model, fast_tokenizer = make("fill-mask", BertForMaskedLM)
pipe = pipeline("fill-mask", model=model, tokenizer=fast_tokenizer, device="cpu")
masked = ["I loved this [MASK].", "[MASK]", "The quick [MASK] fox jumps over the [MASK] dog.", "Café [MASK] in Berlin"]
expect(path, {"texts": [[text, pipe(text, top_k=4)] for text in masked], "targets": [[masked[0], ["movie", "film"], pipe(masked[0], targets=["movie", "film"], top_k=2)]]})

path, model, fast_tokenizer = make("feature-extraction", BertModel)
pipe = pipeline("feature-extraction", model=model, tokenizer=fast_tokenizer, device="cpu")
expect(path, [[text, pipe(text)[0]] for text in samples[:6]])

path, model, fast_tokenizer = make("question-answering", BertForQuestionAnswering)
cases = []
for question, context, top_k in ((texts[5].split("?")[0] + "?", texts[2], 3), ("Who is the president?", texts[3], 3), ("What is it about?", " ".join(texts[:5] * 2), 4), ("what?", samples[6], 2)):
    length, stride, longest = 40, 8, 15
    encoded = fast_tokenizer(question, context, truncation="only_second", max_length=length, stride=stride, return_overflowing_tokens=True, return_offsets_mapping=True, return_token_type_ids=True, padding=False)
    found = []
    for window in range(len(encoded["input_ids"])):
        batch = {key: torch.tensor([encoded[key][window]]) for key in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.no_grad():
            output = model(**batch)
        allowed = np.array([sequence == 1 for sequence in encoded.encodings[window].sequence_ids])
        start, end = output.start_logits[0].double().numpy(), output.end_logits[0].double().numpy()
        # Everything but the context is unlikely, the rest adds up to 1.
        start, end = np.where(allowed, start, -10000.0), np.where(allowed, end, -10000.0)
        start, end = np.exp(start - start.max()), np.exp(end - end.max())
        start, end = start / start.sum(), end / end.sum()
        outer = np.tril(np.triu(np.outer(start, end)), longest - 1)
        for place in np.argsort(-outer.flatten(), kind="stable")[:top_k]:
            first, last = np.unravel_index(place, outer.shape)
            if not (allowed[first] and allowed[last]):
                continue
            words = encoded.encodings[window].word_ids
            offsets = encoded["offset_mapping"][window]
            word_start = min(offsets[index][0] for index in range(len(offsets)) if allowed[index] and words[index] == words[first])
            word_end = max(offsets[index][1] for index in range(len(offsets)) if allowed[index] and words[index] == words[last])
            found.append({"score": outer[first, last], "start": word_start, "end": word_end, "answer": context[word_start:word_end]})
    merged = []
    for answer in sorted(found, key=lambda one: -one["score"]):
        same = next((one for one in merged if one["answer"].lower().strip() == answer["answer"].lower().strip()), None)
        if same is None:
            merged.append(dict(answer))
        else:
            same["score"] += answer["score"]
    cases.append([{"question": question, "context": context, "topK": top_k}, sorted(merged, key=lambda one: -one["score"])[:top_k]])
expect(path, {"maxTokens": 40, "stride": 8, "maxAnswerTokens": 15, "cases": cases})

name = os.path.join(folder, "text-generation")
bytes_tokenizer = byte_tokenizer(texts * 3, 300)
save_tokenizer(bytes_tokenizer, name, "gpt2", 48)
model = GPT2LMHeadModel(GPT2Config(vocab_size=bytes_tokenizer.get_vocab_size(), n_embd=8, n_layer=2, n_head=2, n_positions=48, initializer_range=1.0, bos_token_id=0, eos_token_id=0,
                                   embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0, attn_implementation="eager")).eval()
save_gpt2(model, os.path.join(name, "onnx", "model.onnx"))
save_config(model.config, name, "GPT2LMHeadModel")
fast_tokenizer = fast(name)
cases = []
for prompt in ("I loved", "The quick brown fox", "x", "Grüße 😀", "My name is Sarah Connor and I live"):
    ids = fast_tokenizer(prompt, return_tensors="pt")
    for options in ({}, {"repetition_penalty": 1.7}):
        out = model.generate(**ids, max_new_tokens=20, do_sample=False, pad_token_id=0, **options)[0][ids["input_ids"].shape[1]:]
        cases.append([{"prompt": prompt, **({"repetitionPenalty": 1.7} if options else {})}, fast_tokenizer.decode(out, skip_special_tokens=True), out.tolist()])
expect(name, cases)
