"""
Small text models as ONNX, built by hand from the weights of `transformers` models: BERT with any of its heads, and GPT-2 with
a key-value cache (inputs and outputs named as Optimum names them). Used by scripts/parity/tasks_text.py and by the examples.

    from text_models import bert_tokenizer, byte_tokenizer, tiny_bert, tiny_gpt2, save_bert, save_gpt2
"""
import json
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, value, name=None):
        array = value.detach().numpy() if torch.is_tensor(value) else np.asarray(value)
        self.count += 1
        name = name or f"w{self.count}"
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def shape(self, *sizes):
        return self.weight(np.array(sizes, dtype=np.int64))

    def op(self, kind, *inputs, name=None, **attributes):
        self.count += 1
        output = name or f"{kind.lower()}{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"n{self.count}", **attributes))
        return output

    def linear(self, x, layer, name=None, transposed=False):
        product = self.op("MatMul", x, self.weight(layer.weight if transposed else layer.weight.T))
        return product if layer.bias is None else self.op("Add", product, self.weight(layer.bias), name=name)

    def norm(self, x, layer, name=None):
        return self.op("LayerNormalization", x, self.weight(layer.weight), self.weight(layer.bias), axis=-1, epsilon=layer.eps, name=name)

    def gelu(self, x, approximate):
        return self.op("Gelu", x, approximate="tanh" if approximate else "none")

    def heads(self, x, heads, size):
        return self.op("Transpose", self.op("Reshape", x, self.shape(0, 0, heads, size)), perm=[0, 2, 1, 3])

    def attention(self, query, key, value, bias, heads, size):
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self.op("Mul", scores, self.weight(np.float32(size**-0.5)))
        weights = self.op("Softmax", self.op("Add", scores, bias), axis=-1)
        mixed = self.op("Transpose", self.op("MatMul", weights, value), perm=[0, 2, 1, 3])
        return self.op("Reshape", mixed, self.shape(0, 0, heads * size))

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "model", inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], producer_name="modelport-text-models", ir_version=10)
        onnx.checker.check_model(model)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        onnx.save(model, path)


LOWEST = np.float32(np.finfo(np.float32).min)


def save_bert(model, path):
    """Any transformers model around BertModel: sequence or token classification, question answering, masked words, or the bare model."""
    graph = Graph()
    base = getattr(model, "bert", model)
    config = model.config
    heads, size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
    embeddings = base.embeddings
    length = graph.op("Gather", graph.op("Shape", "input_ids"), graph.weight(np.int64(1)))
    positions = graph.op("Range", graph.weight(np.int64(0)), length, graph.weight(np.int64(1)))
    x = graph.op("Add", graph.op("Gather", graph.weight(embeddings.word_embeddings.weight), "input_ids"), graph.op("Gather", graph.weight(embeddings.token_type_embeddings.weight), "token_type_ids"))
    x = graph.op("Add", x, graph.op("Gather", graph.weight(embeddings.position_embeddings.weight), positions))
    x = graph.norm(x, embeddings.LayerNorm)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    bias = graph.op("Mul", graph.op("Sub", graph.weight(np.float32(1)), mask), graph.weight(LOWEST))
    bias = graph.op("Unsqueeze", bias, graph.shape(1, 2))
    for layer in base.encoder.layer:
        attention = layer.attention
        query, key, value = (graph.heads(graph.linear(x, getattr(attention.self, part)), heads, size) for part in ("query", "key", "value"))
        mixed = graph.linear(graph.attention(query, key, value, bias, heads, size), attention.output.dense)
        x = graph.norm(graph.op("Add", mixed, x), attention.output.LayerNorm)
        inner = graph.gelu(graph.linear(x, layer.intermediate.dense), False)
        x = graph.norm(graph.op("Add", graph.linear(inner, layer.output.dense), x), layer.output.LayerNorm)
    kind = type(model).__name__
    out = lambda name, *shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch_size", *shape])
    pooled = lambda: graph.op("Tanh", graph.linear(graph.op("Gather", x, graph.weight(np.int64(0)), axis=1), base.pooler.dense))
    if kind.endswith("ForSequenceClassification"):
        graph.linear(pooled(), model.classifier, name="logits")
        outputs = [out("logits", config.num_labels)]
    elif kind.endswith("ForTokenClassification"):
        graph.linear(x, model.classifier, name="logits")
        outputs = [out("logits", "sequence_length", config.num_labels)]
    elif kind.endswith("ForQuestionAnswering"):
        logits = graph.linear(x, model.qa_outputs)
        for index, name in enumerate(("start_logits", "end_logits")):
            graph.op("Gather", logits, graph.weight(np.int64(index)), axis=2, name=name)
        outputs = [out("start_logits", "sequence_length"), out("end_logits", "sequence_length")]
    elif kind.endswith("ForMaskedLM"):
        head = model.cls.predictions
        transformed = graph.norm(graph.gelu(graph.linear(x, head.transform.dense), False), head.transform.LayerNorm)
        graph.op("Add", graph.op("MatMul", transformed, graph.weight(head.decoder.weight.T)), graph.weight(head.bias), name="logits")
        outputs = [out("logits", "sequence_length", config.vocab_size)]
    else:
        graph.op("Identity", x, name="last_hidden_state")
        outputs = [out("last_hidden_state", "sequence_length", config.hidden_size)]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", "sequence_length"]) for name in ("input_ids", "attention_mask", "token_type_ids")]
    graph.save(path, inputs, outputs)


def save_gpt2(model, path):
    graph = Graph()
    config = model.config
    heads, size = config.n_head, config.n_embd // config.n_head
    base = model.transformer
    x = graph.op("Add", graph.op("Gather", graph.weight(base.wte.weight), "input_ids"), graph.op("Gather", graph.weight(base.wpe.weight), "position_ids"))
    # A token sees what came before it and itself, where the mask is 1.
    length = graph.op("Gather", graph.op("Shape", "input_ids"), graph.shape(1))
    total = graph.op("Gather", graph.op("Shape", "attention_mask"), graph.shape(1))
    scalar = lambda name: graph.op("Squeeze", name, graph.shape(0))
    one = graph.weight(np.int64(1))
    columns = graph.op("Range", graph.weight(np.int64(0)), scalar(total), one)
    rows = graph.op("Range", scalar(graph.op("Sub", total, length)), scalar(total), one)
    causal = graph.op("LessOrEqual", graph.op("Unsqueeze", columns, graph.shape(0)), graph.op("Unsqueeze", rows, graph.shape(1)))
    real = graph.op("Unsqueeze", graph.op("Cast", "attention_mask", to=TensorProto.BOOL), graph.shape(1, 2))
    seen = graph.op("And", real, graph.op("Unsqueeze", causal, graph.shape(0, 1)))
    bias = graph.op("Where", seen, graph.weight(np.float32(0)), graph.weight(LOWEST))
    for index, block in enumerate(base.h):
        normed = graph.norm(x, block.ln_1)
        parts = graph.linear(normed, block.attn.c_attn, transposed=True)
        query, key, value = (graph.heads(graph.op("Slice", parts, graph.shape(part * config.n_embd), graph.shape((part + 1) * config.n_embd), graph.shape(2)), heads, size) for part in range(3))
        key = graph.op("Concat", f"past_key_values.{index}.key", key, axis=2, name=f"present.{index}.key")
        value = graph.op("Concat", f"past_key_values.{index}.value", value, axis=2, name=f"present.{index}.value")
        x = graph.op("Add", x, graph.linear(graph.attention(query, key, value, bias, heads, size), block.attn.c_proj, transposed=True))
        inner = graph.gelu(graph.linear(graph.norm(x, block.ln_2), block.mlp.c_fc, transposed=True), True)
        x = graph.op("Add", x, graph.linear(inner, block.mlp.c_proj, transposed=True))
    graph.op("MatMul", graph.norm(x, base.ln_f), graph.weight(model.lm_head.weight.T), name="logits")
    info = helper.make_tensor_value_info
    cache = ["batch_size", heads, "past_sequence_length", size]
    grown = ["batch_size", heads, "past_sequence_length + sequence_length", size]
    names = [f"{index}.{part}" for index in range(config.n_layer) for part in ("key", "value")]
    inputs = [info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]), info("attention_mask", TensorProto.INT64, ["batch_size", "past_sequence_length + sequence_length"]), info("position_ids", TensorProto.INT64, ["batch_size", "sequence_length"])]
    inputs += [info(f"past_key_values.{name}", TensorProto.FLOAT, cache) for name in names]
    outputs = [info("logits", TensorProto.FLOAT, ["batch_size", "sequence_length", config.vocab_size])] + [info(f"present.{name}", TensorProto.FLOAT, grown) for name in names]
    graph.save(path, inputs, outputs)


def bert_tokenizer(texts, vocab_size=200):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=vocab_size, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def byte_tokenizer(texts, vocab_size=320):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def save_tokenizer(tokenizer, folder, kind, max_length):
    os.makedirs(folder, exist_ok=True)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    if kind == "bert":
        special = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]"}
    else:
        special = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": max_length, "clean_up_tokenization_spaces": False, "model_input_names": ["input_ids", "token_type_ids", "attention_mask"] if kind == "bert" else ["input_ids", "attention_mask"], **special}
    for name, value in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(value, file, indent=1)


def save_config(config, folder, architecture):
    """config.json with what readers look at."""
    full = config.to_dict()
    kept = {"architectures": [architecture], "model_type": full["model_type"], "vocab_size": full["vocab_size"]}
    for key in ("max_position_embeddings", "n_positions", "problem_type", "eos_token_id", "bos_token_id", "pad_token_id"):
        if full.get(key) is not None:
            kept[key] = full[key]
    if "Classification" in architecture:
        kept["id2label"] = {str(key): value for key, value in config.id2label.items()}
        kept["label2id"] = {value: int(key) for key, value in config.id2label.items()}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(kept, file, indent=1)
