"""Writes src/importers/aten/schema-table.ts: the schemas of PyTorch's operators, from torch itself.

Usage: python scripts/write-aten-schemas.py   (any Python that has torch)
"""
import re
from pathlib import Path

import torch

# What no program for inference calls, or what is refused by name anyway.
LEFT_OUT = re.compile(
    r'backward|_out$|^aten::_(?!to_copy)\w+_copy$|^aten::_(?:foreach|fused|sparse|nested|cudnn|mps|mkldnn|cslt|test|philox|sobol|amp|efficient|flash|validate|fake_quantize|cufft|dyn_quant|weight_int|scaled_mm|scaled_grouped|grouped)'
    r'|^aten::_?(?:sparse|cudnn|miopen|mkldnn|mps|quantized|q_|fbgemm|to_sparse|to_mkldnn|ccol|crow|col_indices|row_indices|sym_constrain|special_(?:bessel|modified|chebyshev|hermite|laguerre|legendre|scaled|shifted|spherical|airy))'
)
KEPT_PRIVATE = set('''_adaptive_avg_pool2d _adaptive_avg_pool3d _assert_async _assert_scalar _assert_tensor_metadata _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int
_cast_Long _cast_Short _conj _convolution _convolution_mode _dim_arange _embedding_bag _embedding_bag_forward_only _euclidean_dist _fft_c2c _fft_c2r _fft_r2c _functional_assert_async
_functional_assert_scalar _fused_rms_norm _index_put_impl_ _is_all_true _is_any_true _local_scalar_dense _log_softmax _native_batch_norm_legit _native_batch_norm_legit_no_training
_native_multi_head_attention _pack_padded_sequence _pad_circular _pad_enum _pad_packed_sequence _prelu_kernel _print _reshape_alias _reshape_from_tensor _safe_softmax
_scaled_dot_product_attention_math _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu _set_item _shape_as_tensor
_size_if_not_equal _softmax _stack _tensor_to_list _list_to_tensor _to_copy _transformer_encoder_layer_fwd _trilinear _unique _unique2 _unsafe_index _unsafe_index_put _unsafe_view _unwrap_optional
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm _weight_norm_interface _infer_size
_cdist_forward _thnn_fused_lstm_cell _thnn_fused_gru_cell _linalg_det _unsafe_masked_index __and__ __or__ __xor__ __iand__ __ior__ __ixor__ __lshift__ __rshift__ __ilshift__ __irshift__
__getitem__ __contains__ __is__ __isnot__ __not__ __derive_index __range_length __round_to_zero_floordiv __interpolate __upsample __upsample_bilinear __upsample_nearest
__robust_index __list_item _grid_sampler_2d_cpu_fallback _chunk_cat'''.split())


def main() -> None:
    lines = []
    for schema in torch._C._jit_get_all_schemas():
        space, name = schema.name.split('::')
        if space != 'aten' or any(argument.is_out for argument in schema.arguments) or LEFT_OUT.search(schema.name):
            continue
        if name.startswith('_') and name not in KEPT_PRIVATE:
            continue
        lines.append(str(schema).removeprefix('aten::').replace('\\', '\\\\').replace('`', '\\`').replace('${', '\\${'))
    # Overloads keep the order in which they are registered: it decides which one is taken.
    first = {}
    for line in lines:
        first.setdefault(re.split(r'[.(]', line, maxsplit=1)[0], len(first))
    lines.sort(key=lambda line: re.split(r'[.(]', line, maxsplit=1)[0])
    text = '\n'.join(lines)
    target = Path(__file__).parent.parent / 'src/importers/aten/schema-table.ts'
    target.write_text(
        f'/** Schemas of the operators of PyTorch {torch.__version__.split("+")[0]}, without `aten::`, one a line; overloads in the order of their registration. Written by scripts/write-aten-schemas.py. */\n'
        f'export const schemaTable = `{text}`;\n'
    )
    print(len(lines), 'schemas', target.stat().st_size, 'bytes')


main()
