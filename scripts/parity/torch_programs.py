"""Small programs as people write them: layers, views, writes in place, indexing, branches, loops."""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

collected: list[dict] = []


def numbers(*shape: int, seed: int = 0):
    """Random numbers whose first axis is the batch."""
    return lambda batch: (torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch * 31 + seed)),)


def two(first: tuple, second: tuple):
    return lambda batch: (*numbers(*first)(batch), *numbers(*second, seed=7)(batch))


def ids(*shape: int, most: int = 11):
    return lambda batch: (torch.randint(0, most, (batch, *shape), generator=torch.Generator().manual_seed(batch)),)


def program(inputs, group: str = 'programs', axes: list | None = None, script: bool = True, data_dependent: bool = False):
    """Registers a module class; it is built without arguments."""

    def register(made):
        count = len(inputs(1))
        collected.append({'group': group, 'name': made.__name__, 'build': made, 'inputs': inputs, 'batch_axes': axes if axes is not None else [0] * count, 'script': script, 'data_dependent': data_dependent})
        return made

    return register


def function(inputs, group: str = 'programs', axes: list | None = None, script: bool = True, data_dependent: bool = False):
    """Registers a function of tensors as a module."""

    def register(made):
        class Program(nn.Module):
            def forward(self, *given):
                return made(*given)

        count = len(inputs(1))
        if count == 1:

            class Program1(nn.Module):
                def forward(self, x):
                    return made(x)

            chosen = Program1
        else:

            class Program2(nn.Module):
                def forward(self, x, y):
                    return made(x, y)

            chosen = Program2
        collected.append({'group': group, 'name': made.__name__, 'build': chosen, 'inputs': inputs, 'batch_axes': axes if axes is not None else [0] * count, 'script': False, 'data_dependent': data_dependent})
        return made

    return register


# ---- recurrent and attention layers of torch.nn


def recurrent(name: str, make, shape=(7, 5), axis: int = 0, script: bool = True):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = make()

        def forward(self, x):
            y, _ = self.layer(x)
            return y

    def inputs(batch):
        x = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))
        return (x if axis == 0 else x.transpose(0, 1).contiguous(),)

    collected.append({'group': 'recurrent', 'name': name, 'build': Recurrent, 'inputs': inputs, 'batch_axes': [axis], 'script': script})


recurrent('LSTM', lambda: nn.LSTM(5, 6, batch_first=True))
recurrent('LSTM time first', lambda: nn.LSTM(5, 6), axis=1)
recurrent('LSTM two layers, bidirectional', lambda: nn.LSTM(5, 6, 2, batch_first=True, bidirectional=True))
recurrent('LSTM without biases', lambda: nn.LSTM(5, 6, bias=False, batch_first=True))
recurrent('LSTM with projection', lambda: nn.LSTM(5, 6, batch_first=True, proj_size=3))
recurrent('GRU', lambda: nn.GRU(5, 6, batch_first=True))
recurrent('GRU two layers, bidirectional', lambda: nn.GRU(5, 6, 2, batch_first=True, bidirectional=True))
recurrent('RNN tanh', lambda: nn.RNN(5, 6, batch_first=True))
recurrent('RNN relu', lambda: nn.RNN(5, 6, 2, nonlinearity='relu', batch_first=True))


def sequences(batch: int) -> tuple:
    """Padded sequences and their lengths, of which one is whole."""
    lengths = torch.randint(1, 8, (batch,), generator=torch.Generator().manual_seed(batch))
    lengths[batch // 2] = 7
    return (*numbers(7, 5)(batch), lengths)


@program(sequences, 'recurrent')
class PackedLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, 2, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, (h, c) = self.lstm(packed)
        padded, own = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return padded, own, h[-1], c


@program(sequences, 'recurrent')
class PackedGru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 6, 2)
        self.rnn = nn.RNN(5, 4, bidirectional=True, nonlinearity='relu')

    def forward(self, x, lengths):
        ordered = torch.sort(lengths, descending=True)[0]
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(0, 1), ordered)
        y, h = self.gru(packed)
        z, last = self.rnn(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(y, padding_value=-1.5, total_length=9)
        return padded, h, nn.utils.rnn.pad_packed_sequence(z)[0], last


@program(numbers(7, 5), 'recurrent')
class LstmStates(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, 2, batch_first=True)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        h0 = torch.zeros(2, x.size(0), 6)
        c0 = torch.zeros(2, x.size(0), 6)
        y, (h, c) = self.lstm(x, (h0, c0))
        return self.head(y[:, -1]), h, c


@program(numbers(4, 5), 'recurrent')
class LstmCellLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(5, 6)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 6)
        c = torch.zeros(x.shape[0], 6)
        outputs = []
        for step in range(x.shape[1]):
            h, c = self.cell(x[:, step], (h, c))
            outputs.append(h)
        return torch.stack(outputs, dim=1)


@program(numbers(4, 5), 'recurrent')
class GruCellLoop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(5, 6)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 6)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return h


@program(numbers(6, 8), 'recurrent')
class TransformerEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False)

    def forward(self, x):
        return self.encoder(x)


@program(numbers(6, 8), 'recurrent')
class TransformerEncoderCausal(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True, activation='gelu')

    def forward(self, x):
        mask = torch.triu(torch.full((x.size(1), x.size(1)), float('-inf')), diagonal=1)
        return self.layer(x, src_mask=mask)


@program(numbers(6, 8), 'recurrent')
class TransformerEncoderPadded(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        padding = x[:, :, 0] > 1.2
        padding[:, 0] = False
        causal = torch.ones(x.size(1), x.size(1)).triu(1) > 0
        y = self.layer(x, src_key_padding_mask=padding)
        return y, self.layer(x, src_mask=causal), self.layer(x, src_mask=causal, src_key_padding_mask=padding), self.attention(x, x, x, attn_mask=causal, need_weights=False)[0]


@program(two((6, 8), (5, 8)), 'recurrent')
class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.transformer = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)

    def forward(self, source, target):
        return self.transformer(source, target)


@program(two((6, 8), (5, 8)), 'recurrent')
class CrossAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, query, memory):
        result, weights = self.attention(query, memory, memory)
        return result, weights


# ---- usual networks


@program(numbers(4))
class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))

    def forward(self, x):
        return torch.softmax(self.layers(x), dim=-1)


@program(numbers(1, 28, 28))
class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 6 * 6, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc(x), dim=1)


@program(numbers(3, 9, 9))
class StandardizedConvolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.gain = nn.Parameter(torch.randn(8))

    def forward(self, x):
        weight = F.batch_norm(self.conv.weight.reshape(1, 8, -1), None, None, weight=self.gain, training=True, momentum=0.0, eps=1e-6)
        return F.conv2d(x, weight.reshape_as(self.conv.weight), self.conv.bias)


@program(numbers(3, 32, 32))
class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.down = nn.Conv2d(8, 2, 1)
        self.up = nn.Conv2d(2, 8, 1)

    def forward(self, x):
        x = F.silu(self.norm(self.conv(x)), inplace=True)
        scale = F.adaptive_avg_pool2d(x, 1)
        scale = torch.sigmoid(self.up(F.relu(self.down(scale), inplace=True)))
        return x * scale


@program(numbers(3, 16, 16))
class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = nn.Conv2d(3, 4, 3, padding=1)
        self.down2 = nn.Conv2d(4, 8, 3, padding=1, stride=2)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(a))
        c = self.up(b)
        return self.out(torch.cat([a, c], dim=1))


@program(numbers(2, 9))
class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, dilation=2, padding='same')
        self.norm = nn.GroupNorm(2, 4)
        self.act = nn.PReLU(4)

    def forward(self, x):
        return self.act(self.norm(self.conv(x))).mean(-1)


@program(numbers(2, 4, 6, 6))
class Volume(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 3, (2, 3, 3), padding=(0, 1, 1))
        self.norm = nn.InstanceNorm3d(3, affine=True)

    def forward(self, x):
        return F.avg_pool3d(F.elu(self.norm(self.conv(x))), (1, 2, 2))


@program(ids(6))
class TextClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 8, padding_idx=0)
        self.fc = nn.Linear(8, 2)

    def forward(self, tokens):
        x = self.embedding(tokens)
        mask = (tokens != 0).unsqueeze(-1)
        x = (x * mask).sum(1) / mask.sum(1).clamp(min=1)
        return self.fc(x)


@program(ids(6))
class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(11, 8, mode='mean')
        self.fc = nn.Linear(8, 2)

    def forward(self, tokens):
        return self.fc(self.bag(tokens))


@program(numbers(5, 8))
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * (width // 2) ** -0.5
        y = scores.softmax(dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


@program(numbers(2, 5, 4))
class CausalAttention(nn.Module):
    def forward(self, x):
        return F.scaled_dot_product_attention(x, x, x * 2, is_causal=True)


@program(numbers(10))
class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(10, 6), nn.Tanh(), nn.Linear(6, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.1), nn.Linear(6, 10), nn.Sigmoid())

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


@program(numbers(5, 4))
class PositionalEncoding(nn.Module):
    def __init__(self):
        super().__init__()
        position = torch.arange(16).unsqueeze(1)
        div = torch.exp(torch.arange(0, 4, 2) * (-math.log(10000.0) / 4))
        table = torch.zeros(16, 4)
        table[:, 0::2] = torch.sin(position * div)
        table[:, 1::2] = torch.cos(position * div)
        self.register_buffer('table', table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


# ---- views and writes in place


@program(numbers(4), 'writes')
class WriteColumn(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[:, 0] = 1.0
        y[:, 1] += x[:, 2]
        return y


@program(numbers(4, 6), 'writes')
class WriteSlice(nn.Module):
    def forward(self, x):
        y = torch.zeros_like(x)
        y[:, 1:3, ::2] = x[:, 1:3, ::2] * 2
        y[..., -1] = -1
        return y


@program(numbers(6), 'writes')
class WriteThroughView(nn.Module):
    def forward(self, x):
        y = x * 1
        z = y.view(-1, 2, 3)
        z[:, 0].mul_(2)
        z.transpose(1, 2)[:, 0, 1] = 5
        return y, z.sum(-1)


@program(numbers(6), 'writes')
class WriteChunks(nn.Module):
    def forward(self, x):
        y = x + 0
        a, b = y.chunk(2, dim=1)
        a.add_(b)
        b.zero_()
        return y


@program(numbers(3, 3), 'writes')
class WriteDiagonal(nn.Module):
    def forward(self, x):
        y = x.clone()
        torch.diagonal(y, dim1=1, dim2=2).fill_(0.5)
        return y


@program(numbers(5), 'writes')
class MaskedFillInPlace(nn.Module):
    def forward(self, x):
        y = x.clone()
        y[y < 0] = 0
        y.masked_fill_(y > 1, 1.0)
        return y


@program(numbers(5), 'writes')
class IndexWrite(nn.Module):
    def forward(self, x):
        y = x.clone()
        index = torch.tensor([0, 3])
        y[:, index] = 7.0
        y.index_fill_(1, torch.tensor([1]), -2.0)
        return y


@program(numbers(5), 'writes')
class IndexAdd(nn.Module):
    def forward(self, x):
        y = torch.zeros(x.shape[0], 3)
        index = torch.tensor([0, 2, 1, 0, 2])
        y.index_add_(1, index, x)
        return y


@program(numbers(5), 'writes')
class ScatterAdd(nn.Module):
    def forward(self, x):
        index = (x > 0).long()
        return torch.zeros(x.shape[0], 2).scatter_add_(1, index, x)


@program(numbers(5), 'writes')
class OneHotScatter(nn.Module):
    def forward(self, x):
        best = x.argmax(1, keepdim=True)
        return torch.zeros_like(x).scatter_(1, best, 1.0)


@program(numbers(4), 'writes')
class InPlaceChain(nn.Module):
    def forward(self, x):
        y = x.clone().add_(1).mul_(2).clamp_(-1, 3)
        z = y
        y -= 0.5
        return y * z


@program(numbers(4), 'writes')
class IntegerInPlace(nn.Module):
    def forward(self, x):
        count = torch.zeros(x.shape[0], dtype=torch.int64)
        for column in range(4):
            count += (x[:, column] > 0).long()
        return count


@program(numbers(3, 4), 'writes')
class RollAndFlip(nn.Module):
    def forward(self, x):
        y = torch.roll(x, (1, -1), (1, 2)).flip(1)
        y[:, 0].copy_(x[:, 1])
        return y


@program(numbers(4, 6), 'writes')
class ShiftWindow(nn.Module):
    def forward(self, x):
        out = torch.zeros_like(x)
        out[:, :-1, :3] = x[:, 1:, :3]
        out[:, 1:, 3:] = x[:, :-1, 3:]
        return out


@program(numbers(4), 'writes')
class ExpandThenAdd(nn.Module):
    def forward(self, x):
        y = x.unsqueeze(1).expand(-1, 3, -1).contiguous()
        y[:, 1] *= 3
        return y, x


# ---- arithmetic and types


@program(numbers(4))
class Mathematics(nn.Module):
    def forward(self, x):
        return torch.cat([torch.exp(-x.abs()), torch.log1p(x * x), torch.rsqrt(x * x + 1), torch.sin(x) + torch.cos(x), torch.atan2(x, x + 3), torch.erf(x), torch.expm1(x * 0.1), torch.sign(x)], 1)


@program(ids(4, most=20))
class IntegerDivision(nn.Module):
    def forward(self, x):
        y = x - 9
        return y // 4, y % 4, torch.div(y, 4, rounding_mode='trunc'), y / 4, torch.remainder(y, -3), torch.fmod(y, 4), y.float() // 2.5, y.float() % 2.5


@program(ids(4, most=20))
class Promotion(nn.Module):
    def forward(self, x):
        a = x.to(torch.int32)
        b = x.to(torch.uint8)
        half = torch.tensor(0.5)
        return a + x, a * 2.5, b + a, (x > 5) + 1, (x > 5) * 0.5, a + half, b - b.to(torch.int8), x.double() * half, torch.where(x > 5, a, 2.0)


@program(ids(4, most=1000))
class Wraparound(nn.Module):
    def forward(self, x):
        h = x
        for _ in range(6):
            h = h * 6364136223846793005 + 1442695040888963407
        return h, (h >> 33) & 0xFFFF, x.to(torch.uint8) + 200, (x * 7).to(torch.int8)


@program(numbers(4))
class Rounding(nn.Module):
    def forward(self, x):
        y = x * 3
        return torch.round(y), torch.floor(y), torch.ceil(y), torch.trunc(y), torch.frac(y), y.int(), torch.round(y, decimals=1), torch.round(torch.tensor([0.5, 1.5, 2.5, -0.5]) + 0 * x)


@program(numbers(6))
class Statistics(nn.Module):
    def forward(self, x):
        return x.mean(1), x.std(1), x.var(1, unbiased=False), x.median(1).values, x.norm(dim=1), torch.logsumexp(x, 1), x.prod(1), x.amax(1), x.min(1).indices, x.cumsum(1), (x > 0).any(1), (x > -9).all(1)


@program(numbers(4, 2))
class Repeats(nn.Module):
    def forward(self, x):
        times = torch.tensor([2, 0, 3, 1])
        first = x[:, 0].repeat_interleave(x.size(0), 0)
        return first, x.repeat_interleave(times, dim=1), x[:, 0].repeat_interleave(torch.arange(x.size(0)), 0), torch.repeat_interleave(times), x.repeat_interleave(torch.tensor([2])), x.repeat_interleave(torch.tensor(3), dim=-1)


@program(numbers(5, 3))
class Cumulative(nn.Module):
    def forward(self, x):
        return x.cumprod(1), torch.cumprod(x.double() * 1e200, -1), (x > 0).cumprod(0), x.long().cumprod(2, dtype=torch.float32), x.cumsum(2)


@program(numbers(6))
class Sorting(nn.Module):
    def forward(self, x):
        values, order = torch.sort(x, dim=1, descending=True)
        top, places = torch.topk(x, 3, dim=1)
        return values, order, top, places, torch.argsort(x, dim=1), torch.gather(x, 1, places), torch.kthvalue(x, 2, dim=1).values


@program(numbers(4))
class Activations(nn.Module):
    def forward(self, x):
        y = x * 2
        parts = [F.gelu(y), F.gelu(y, approximate='tanh'), F.silu(y), F.mish(y), F.softplus(y), F.hardswish(y), F.hardsigmoid(y), F.hardtanh(y), F.elu(y), F.selu(y), F.celu(y, 0.7), F.relu6(y), F.leaky_relu(y), F.softsign(y), F.logsigmoid(y), F.tanhshrink(y), F.softshrink(y), F.hardshrink(y), F.threshold(y, 0.1, 3.0), F.glu(y, 1)]
        return torch.cat(parts, 1)


@program(two((3, 4), (4, 2)))
class Products(nn.Module):
    def forward(self, a, b):
        c = torch.bmm(a, b)
        d = torch.einsum('bij,bjk->bik', a, b)
        return c, d, a @ b[0], torch.matmul(a[0], b), torch.baddbmm(c, a, b, beta=0.5, alpha=2.0), torch.outer(a[0, 0], b[0, :, 0]), (a[:, 0] * b[:, :, 0]).sum(-1)


# ---- shapes and indexing


@program(numbers(4, 6))
class Shapes(nn.Module):
    def forward(self, x):
        y = x.reshape(x.size(0), 2, -1).permute(0, 2, 1)
        return y.flatten(1), y.unflatten(1, (3, 4)), x.unsqueeze(1).squeeze(1), torch.movedim(x, 2, 0), x.view(x.shape[0], -1).t(), x.repeat(1, 2, 1), x.repeat_interleave(2, dim=1), torch.tile(x, (1, 1, 2)), x[:, None, 1:3, -2:]


@program(numbers(3, 8, 8))
class PixelShuffle(nn.Module):
    def forward(self, x):
        y = F.pixel_unshuffle(x, 2)
        return F.pixel_shuffle(y, 2), F.unfold(x, 3, padding=1, stride=2), F.pad(x, (1, 2, 0, 1), mode='reflect'), F.pad(x, (1, 1), value=2.0), F.pad(x, (1, 1, 1, 1), mode='replicate')


@program(numbers(3, 8, 6))
class Resizing(nn.Module):
    def forward(self, x):
        return (
            F.interpolate(x, scale_factor=2),
            F.interpolate(x, size=(5, 9), mode='bilinear', align_corners=False),
            F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=True),
            F.interpolate(x, size=(11, 7), mode='bicubic', align_corners=False),
            F.interpolate(x, size=(4, 3), mode='area'),
            F.interpolate(x, scale_factor=0.5, mode='nearest'),
            F.interpolate(x, size=(5, 4), mode='nearest-exact'),
            F.interpolate(x, size=(3, 3), mode='bilinear', antialias=True),
        )


@program(numbers(3, 9, 7))
class Pooling(nn.Module):
    def forward(self, x):
        return (
            F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
            F.avg_pool2d(x, 3, stride=2, padding=1, ceil_mode=True),
            F.avg_pool2d(x, 2, count_include_pad=False, padding=1),
            F.adaptive_avg_pool2d(x, (3, 7)),
            F.adaptive_avg_pool2d(x, (4, 3)),
            F.adaptive_max_pool2d(x, 3),
            F.lp_pool2d(x.abs(), 2, 2),
            F.max_pool2d(x, 2, dilation=2),
        )


@program(numbers(5, 4))
class Indexing(nn.Module):
    def forward(self, x):
        rows = torch.tensor([3, 0, 0])
        columns = torch.tensor([1, 2, 3])
        return x[:, rows], x[:, rows, columns], x[:, :, columns][:, rows], torch.index_select(x, 1, rows), x[..., -1], x[:, 1::2, [0, -1]], torch.take_along_dim(x, x.argmax(1, keepdim=True), 1)


@program(numbers(4))
class Grid(nn.Module):
    def forward(self, x):
        n = x.shape[0]
        positions = torch.arange(n, device=x.device)
        a, b = torch.meshgrid(positions, torch.arange(4), indexing='ij')
        line = torch.linspace(0, 1, 5)
        eye = torch.eye(4)
        return x + a + b, x @ eye, line * x[:, :1], torch.full((n, 2), 3.5), torch.ones(n, 1) * x.new_tensor([2.0]), torch.tril(x.unsqueeze(1) * x.unsqueeze(2)), torch.arange(0, 1, 0.25) + x


@program(numbers(3, 6, 6))
class GridSample(nn.Module):
    def forward(self, x):
        theta = torch.tensor([[0.8, 0.1, 0.0], [-0.1, 0.9, 0.1]]).expand(x.size(0), 2, 3)
        grid = F.affine_grid(theta, [x.size(0), 3, 5, 5], align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


@program(two((4,), (4,)))
class Distances(nn.Module):
    def forward(self, a, b):
        return F.cosine_similarity(a, b), torch.cdist(a.unsqueeze(1), b.unsqueeze(1)), F.pairwise_distance(a, b), F.normalize(a, dim=1), F.mse_loss(a, b, reduction='none'), torch.clamp(a, min=b, max=b + 1), torch.lerp(a, b, 0.3), torch.addcmul(a, a, b, value=0.5)


@program(numbers(6))
class Conditions(nn.Module):
    def forward(self, x):
        y = torch.where(x > 0, x, -x * 0.5)
        z = torch.maximum(x, y).masked_fill(x.eq(0) | x.isnan(), 0.0)
        return y, z, torch.logical_xor(x > 0, y > 1), (x >= 0) & ~(y < 1), torch.isfinite(x), torch.nan_to_num(x / 0.0, 1.0, 2.0, -2.0), torch.clip(x, -0.5), torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0]))


@program(numbers(8))
class LayerNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.rms = nn.RMSNorm(8, eps=1e-6)
        self.batch = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.norm(x), self.rms(x), self.batch(x), F.layer_norm(x, (8,))


@program(numbers(4))
class SplitAndStack(nn.Module):
    def forward(self, x):
        a, b = torch.split(x, [1, 3], dim=1)
        parts = torch.unbind(b, 1)
        return torch.stack(parts, 0), torch.hstack([a, b]), torch.vstack([x, x]), torch.cat([x, x.new_zeros(x.size(0), 2)], -1), torch.column_stack([a, b])


@program(numbers(3, 4))
class DictionaryOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x) -> dict[str, Tensor]:
        y = self.fc(x)
        return {'scores': y, 'best': y.argmax(-1)}


@program(numbers(4))
class SpectralNormLinear(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))

    def forward(self, x):
        return self.fc(x)


@program(numbers(5))
class ModuleLists(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 5) for _ in range(3)])

    def forward(self, x):
        total = x
        for index, layer in enumerate(self.layers):
            x = torch.relu(layer(x))
            if index > 0:
                total = total + x
        return total


# ---- branches and loops that depend on data


@program(numbers(4), 'control flow', data_dependent=True)
class BranchOnSum(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2
        else:
            return x - 1


@program(numbers(4), 'control flow', data_dependent=True)
class LoopUntilSmall(nn.Module):
    def forward(self, x):
        while bool((x.abs().max() > 0.5).item()):
            x = x * 0.5
        return x


@program(numbers(5, 4), 'control flow', data_dependent=True)
class LoopOverTime(nn.Module):
    def forward(self, x):
        state = torch.zeros(x.size(0), 4)
        for step in range(x.size(1)):
            state = torch.tanh(state + x[:, step])
        return state


@program(numbers(4), 'control flow', data_dependent=True)
class EarlyReturn(nn.Module):
    def forward(self, x):
        if x.shape[0] > 2:
            return x.sum(0)
        return x.mean(0)


@program(numbers(4), 'control flow', script=False)
class Cond(nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x * 2, lambda x: x - 1, (x,))


@program(numbers(4), 'control flow', script=False)
class NestedCond(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        def inner(x):
            return torch.cond(x.min() > -0.5, lambda x: self.a(x), lambda x: x.sin(), (x,))

        return torch.cond(x.mean() > 0, inner, lambda x: x.cos(), (x,)) + 1


def programs() -> list[dict]:
    return collected
