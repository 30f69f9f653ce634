"""The programs that importers of PyTorch are measured with, made by the real frameworks with random weights.

`cases()` gives them without building any; `case.make()` builds one. Both front ends use the same list: torch.export and TorchScript.
"""
from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from torch_programs import programs


@dataclass
class Case:
    group: str
    name: str
    #: Gives the module, in eval mode.
    build: Callable[[], nn.Module]
    #: Gives the positional inputs for a batch size.
    inputs: Callable[[int], tuple]
    #: For each input the axis that is the batch, or None.
    batch_axes: list[int | None] = field(default_factory=list)
    #: Other axes that vary: input → {axis: name}.
    dynamic: dict[int, dict[int, str]] = field(default_factory=dict)
    #: Whether TorchScript can script it (a loop or branch on data is lost by tracing).
    script: bool = False
    #: Whether what it does depends on data, so that neither a trace nor a plain export holds it.
    data_dependent: bool = False
    #: Weights are made with cheap numbers: for models of hundreds of megabytes.
    is_large: bool = False

    def make(self) -> nn.Module:
        torch.manual_seed(sum(map(ord, self.name)))
        with cheap_initialization():
            module = self.build().eval()
        randomize(module)
        return module


class cheap_initialization:
    """Truncated normals of millions of weights take minutes; a normal is as good here."""

    def __enter__(self):
        self.saved = (nn.init.trunc_normal_, nn.init.kaiming_normal_, nn.init.xavier_normal_, nn.init.orthogonal_)

        def normal(tensor, *args, std=0.02, **kwargs):
            with torch.no_grad():
                return tensor.normal_(0, 0.02)

        def fan(tensor, *args, **kwargs):
            with torch.no_grad():
                return tensor.normal_(0, 1 / math.sqrt(max(1, tensor[0].numel())))

        nn.init.trunc_normal_ = normal
        nn.init.orthogonal_ = fan
        return self

    def __exit__(self, *_):
        nn.init.trunc_normal_, nn.init.kaiming_normal_, nn.init.xavier_normal_, nn.init.orthogonal_ = self.saved


@torch.no_grad()
def randomize(module: nn.Module) -> None:
    """What is zero or one after construction hides mistakes: statistics of normalization, scales, biases."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.6, 1.4)
    for name, parameter in module.named_parameters():
        if parameter.is_floating_point() and parameter.numel() > 0 and parameter.numel() < 5_000_000 and bool((parameter == parameter.flatten()[0]).all()):
            parameter.add_(torch.randn_like(parameter) * 0.05)


def image(size: int = 64, channels: int = 3):
    return lambda batch: (torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(batch)),)


def torchvision_cases() -> Iterator[Case]:
    import torchvision.models as models

    sizes = {'inception_v3': 96, 'alexnet': 96, 'googlenet': 64}
    large = ('vit_h_14', 'regnet_y_128gf', 'vit_l_16', 'vit_l_32', 'vgg16', 'vgg19', 'vgg11', 'vgg13', 'wide_resnet101_2')
    for name in models.list_models(module=models):
        options = {'weights': None}
        size = sizes.get(name, 64)
        if name.startswith('vit_'):
            size = 64 if not name.endswith('14') else 56
            options['image_size'] = size
        if name in ('inception_v3', 'googlenet'):
            options['init_weights'] = False
        if name.startswith('swin') or name.startswith('maxvit'):
            size = 224 if name.startswith('maxvit') else 96
        yield Case('torchvision', name, lambda name=name, options=options: models.get_model(name, **options), image(size), [0], is_large=name.startswith(large))
    import torchvision.models.segmentation as segmentation

    for name in models.list_models(module=segmentation):
        yield Case('segmentation', name, lambda name=name: FirstOfDict(models.get_model(name, weights=None, weights_backbone=None)), image(64), [0])


class FirstOfDict(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)['out']


def timm_cases() -> Iterator[Case]:
    """A small entry of each module of timm.models, by what its name says."""
    import timm

    smallest: dict[str, tuple[int, str]] = {}
    for name in timm.list_models():
        module = timm.models._registry._model_to_module[name]
        # The number of parameters is not known before it is built; names of small entries say so.
        score = size_score(name)
        if module not in smallest or score < smallest[module][0]:
            smallest[module] = (score, name)
    for module, (_, name) in sorted(smallest.items(), key=lambda item: (item[0] in timm_last and timm_last.index(item[0]) + 1, item[0])):
        yield Case('timm', f'{module}: {name}', lambda name=name: timm.create_model(name, pretrained=False, **timm_options.get(name, {})), timm_inputs(name), [0])


def size_score(name: str) -> tuple:
    words = ['atto', 'femto', 'pico', 'nano', 'xxt', 'xxs', 'test', 'xt', 'xs', 'tiny', '_t', 'mini', 'small', '_s', 'lite', 'base', '_b', 'medium', '_m', 'large', '_l', 'huge', 'giant', 'gigantic', 'xl']
    rank = next((index for index, word in enumerate(words) if word in name), 12)
    numbers = [int(digits) for digits in ''.join(character if character.isdigit() else ' ' for character in name).split()]
    return (rank, sum(number for number in numbers if number < 1000), len(name), name)


#: What a model is built with instead of its size, where that alone takes minutes on one core.
timm_options = {'samvit_base_patch16': {'img_size': 256}}
#: What fits no picture of 128 pixels a side.
timm_sizes: dict[str, int] = {'deepseek_vit_412m': 126}
#: By module: what costs the most comes last.
timm_last = ('nasnet', 'pnasnet', 'nextvit', 'naflexvit', 'vision_transformer_sam', 'mobilenetv5', 'gemma4_vit', 'qwen3_vit', 'deepseek_vit')


def timm_inputs(name: str):
    """Pictures of the model's size, or smaller where timm says that it takes other sizes: the program is the same, and torch in float64 takes a quarter of the time."""

    def inputs(batch: int):
        import timm

        configuration = timm.get_pretrained_cfg(name)
        channels, size = (3, 224) if configuration is None else configuration.input_size[:2]
        if name in timm_options:
            size = timm_options[name]['img_size']
        elif name in timm_sizes:
            size = timm_sizes[name]
        elif configuration is not None and not configuration.fixed_input_size:
            size = min(size, configuration.min_input_size[1] if configuration.min_input_size is not None else 128)
        return (torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(batch)),)

    return inputs


class Output(nn.Module):
    """The tensors of a transformers output, by name, as a tuple."""

    def __init__(self, model, names, arguments, **fixed):
        super().__init__()
        self.model = model
        self.names = names
        self.arguments = arguments
        self.fixed = fixed

    def forward(self, *inputs):
        output = self.model(**dict(zip(self.arguments, inputs)), **self.fixed)
        return tuple(output[name] for name in self.names)


class Output1(Output):
    def forward(self, a):
        return Output.forward(self, a)


class Output2(Output):
    def forward(self, a, b):
        return Output.forward(self, a, b)


def tokens(batch: int, length: int = 9, vocabulary: int = 99):
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(3, vocabulary, (batch, length), generator=generator)


def mask(batch: int, length: int = 9):
    result = torch.ones(batch, length, dtype=torch.int64)
    for row in range(1, batch):
        result[row, length - row :] = 0
    return result


def transformers_cases() -> Iterator[Case]:
    import transformers as t

    small = {'vocab_size': 99, 'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'intermediate_size': 37, 'max_position_embeddings': 64}
    decoder = {**small, 'num_key_value_heads': 2}

    def text(name, config, model, options, names=('last_hidden_state',), masked=True, **fixed):
        def build():
            configuration = getattr(t, config)(**options)
            # Three ways to compute attention: the usual one of torch is the default.
            made = getattr(t, model)(configuration)
            wrapper = Output2 if masked else Output1
            return wrapper(made, names, ['input_ids', 'attention_mask'] if masked else ['input_ids'], **fixed)

        return Case('transformers', name, build, (lambda batch: (tokens(batch), mask(batch))) if masked else (lambda batch: (tokens(batch),)), [0, 0] if masked else [0])

    def vision(name, config, model, options, names=('last_hidden_state',), size=32, argument='pixel_values', **fixed):
        return Case('transformers', name, lambda: Output1(getattr(t, model)(getattr(t, config)(**options)), names, [argument], **fixed), image(size), [0])

    yield text('BERT', 'BertConfig', 'BertModel', small, ('last_hidden_state', 'pooler_output'))
    yield text('BERT classification', 'BertConfig', 'BertForSequenceClassification', small, ('logits',))
    yield text('RoBERTa', 'RobertaConfig', 'RobertaModel', small)
    yield text('DistilBERT', 'DistilBertConfig', 'DistilBertModel', {'vocab_size': 99, 'dim': 32, 'n_layers': 2, 'n_heads': 4, 'hidden_dim': 37, 'max_position_embeddings': 64})
    yield text('ALBERT', 'AlbertConfig', 'AlbertModel', {**small, 'embedding_size': 16})
    yield text('ELECTRA', 'ElectraConfig', 'ElectraModel', {**small, 'embedding_size': 16})
    yield text('DeBERTa-v2', 'DebertaV2Config', 'DebertaV2Model', {**small, 'relative_attention': True, 'position_buckets': 8, 'pos_att_type': ['p2c', 'c2p'], 'norm_rel_ebd': 'layer_norm', 'share_att_key': True})
    yield text('MPNet', 'MPNetConfig', 'MPNetModel', small)
    t5 = {'vocab_size': 99, 'd_model': 32, 'd_kv': 8, 'd_ff': 37, 'num_layers': 2, 'num_decoder_layers': 2, 'num_heads': 4, 'decoder_start_token_id': 0}
    yield text('T5 encoder', 'T5Config', 'T5EncoderModel', t5)

    def t5_decoder():
        model = t.T5Model(t.T5Config(**t5))

        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.decoder = model.decoder

            def forward(self, ids, states):
                return self.decoder(input_ids=ids, encoder_hidden_states=states, use_cache=False)['last_hidden_state']

        return Decoder()

    yield Case('transformers', 'T5 decoder', t5_decoder, lambda batch: (tokens(batch, 5), torch.randn(batch, 7, 32, generator=torch.Generator().manual_seed(batch))), [0, 0])

    def both(name, config, model, options):
        return Case('transformers', name, lambda: Both(getattr(t, model)(getattr(t, config)(**options))), lambda batch: (tokens(batch, 9), tokens(batch + 7, 5)[:batch]), [0, 0])

    class Both(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, ids, decoder_ids):
            return self.model(input_ids=ids, decoder_input_ids=decoder_ids, use_cache=False)['last_hidden_state']

    yield both('T5', 'T5Config', 'T5Model', t5)
    yield both('BART', 'BartConfig', 'BartModel', {'vocab_size': 99, 'd_model': 32, 'encoder_layers': 2, 'decoder_layers': 2, 'encoder_attention_heads': 4, 'decoder_attention_heads': 4, 'encoder_ffn_dim': 37, 'decoder_ffn_dim': 37, 'max_position_embeddings': 64})
    gpt2 = {'vocab_size': 99, 'n_embd': 32, 'n_layer': 2, 'n_head': 4, 'n_positions': 64}
    yield text('GPT-2', 'GPT2Config', 'GPT2LMHeadModel', gpt2, ('logits',), use_cache=False)
    yield text('GPT-NeoX', 'GPTNeoXConfig', 'GPTNeoXForCausalLM', small, ('logits',), use_cache=False)
    yield text('OPT', 'OPTConfig', 'OPTForCausalLM', {'vocab_size': 99, 'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'ffn_dim': 37, 'max_position_embeddings': 64, 'word_embed_proj_dim': 32}, ('logits',), use_cache=False)
    yield text('Llama', 'LlamaConfig', 'LlamaForCausalLM', decoder, ('logits',), use_cache=False)
    yield text('Qwen2', 'Qwen2Config', 'Qwen2ForCausalLM', decoder, ('logits',), use_cache=False)
    vit = {'image_size': 32, 'patch_size': 8, 'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'intermediate_size': 37}
    yield vision('ViT', 'ViTConfig', 'ViTModel', vit)
    yield vision('ViT classification', 'ViTConfig', 'ViTForImageClassification', vit, ('logits',))
    yield vision('DeiT', 'DeiTConfig', 'DeiTModel', vit)
    yield vision('Swin', 'SwinConfig', 'SwinModel', {'image_size': 32, 'patch_size': 2, 'embed_dim': 16, 'depths': [1, 2, 1], 'num_heads': [2, 2, 4], 'window_size': 4})
    yield vision('BEiT', 'BeitConfig', 'BeitModel', vit)
    yield vision('ConvNeXt', 'ConvNextConfig', 'ConvNextModel', {'hidden_sizes': [8, 16, 24, 32], 'depths': [1, 1, 2, 1]}, size=64)
    yield vision('ResNet', 'ResNetConfig', 'ResNetForImageClassification', {'embedding_size': 8, 'hidden_sizes': [16, 24, 32, 40], 'depths': [1, 1, 2, 1]}, ('logits',), size=64)

    def detr():
        backbone = t.ResNetConfig(embedding_size=8, hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1], out_features=['stage4'])
        return t.DetrConfig(use_timm_backbone=False, use_pretrained_backbone=False, backbone_config=backbone, backbone=None, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=37, decoder_ffn_dim=37, num_queries=5)

    yield Case('transformers', 'DETR', lambda: Output1(t.DetrForObjectDetection(detr()), ('logits', 'pred_boxes'), ['pixel_values']), image(64), [0])
    yield vision('SegFormer', 'SegformerConfig', 'SegformerForSemanticSegmentation', {'num_encoder_blocks': 4, 'depths': [1, 1, 1, 1], 'hidden_sizes': [8, 16, 24, 32], 'num_attention_heads': [1, 2, 2, 4], 'decoder_hidden_size': 32}, ('logits',), size=64)

    def pair(name, config, model, vision_options, text_options):
        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                configuration = getattr(t, config)(text_config=text_options, vision_config=vision_options)
                self.model = getattr(t, model)(configuration)

            def forward(self, ids, attention, pixels):
                output = self.model(input_ids=ids, attention_mask=attention, pixel_values=pixels)
                return output['text_embeds'], output['image_embeds']

        return Case('transformers', name, Pair, lambda batch: (tokens(batch), mask(batch), *image(32)(batch)), [0, 0, 0])

    clip_text = {**small, 'eos_token_id': 98, 'bos_token_id': 97, 'pad_token_id': 1}
    yield pair('CLIP', 'CLIPConfig', 'CLIPModel', vit, clip_text)
    yield pair('SigLIP', 'SiglipConfig', 'SiglipModel', vit, clip_text)
    whisper = {'vocab_size': 99, 'd_model': 32, 'encoder_layers': 2, 'decoder_layers': 2, 'encoder_attention_heads': 4, 'decoder_attention_heads': 4, 'encoder_ffn_dim': 37, 'decoder_ffn_dim': 37, 'num_mel_bins': 20, 'max_source_positions': 30, 'max_target_positions': 32, 'pad_token_id': 0}

    class WhisperEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = t.WhisperModel(t.WhisperConfig(**whisper)).encoder

        def forward(self, features):
            return self.encoder(features)['last_hidden_state']

    yield Case('transformers', 'Whisper encoder', WhisperEncoder, lambda batch: (torch.randn(batch, 20, 60, generator=torch.Generator().manual_seed(batch)),), [0])
    wave = {'vocab_size': 32, 'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4, 'intermediate_size': 37, 'conv_dim': [16, 16, 16], 'conv_stride': [4, 4, 2], 'conv_kernel': [8, 6, 3], 'num_conv_pos_embeddings': 16, 'num_conv_pos_embedding_groups': 2}
    yield Case('transformers', 'wav2vec2', lambda: Output1(t.Wav2Vec2ForCTC(t.Wav2Vec2Config(**wave)), ('logits',), ['input_values']), lambda batch: (torch.randn(batch, 800, generator=torch.Generator().manual_seed(batch)),), [0])


def program_cases() -> Iterator[Case]:
    for program in programs():
        yield Case(**program)


def cases() -> Iterator[Case]:
    yield from program_cases()
    yield from torchvision_cases()
    yield from transformers_cases()
    yield from timm_cases()
