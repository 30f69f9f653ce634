// Builds models with GraphBuilder, a graph for each group of operators, and writes them into a folder.
import { join } from 'node:path';
import { constantTensor, scalar } from '../../dist/onnx/constant-tensor.js';
import { ElementType } from '../../dist/onnx/data-type.js';
import { GraphBuilder } from '../../dist/onnx/graph-builder.js';
import { writeModelFile } from '../../dist/onnx/write-model-file.js';

const { FLOAT, DOUBLE, INT64, BOOL, STRING, UINT8 } = ElementType;
const floats = (shape, fill = (index) => index / 10) => constantTensor(FLOAT, Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => fill(index)), shape);

const samples = {
  arithmetic({ op }, { input, output }) {
    const x = input('x', FLOAT, ['batch', 4]);
    let sum = op.add(op.mul(x, 2), op.div(op.sub(x, 1), 3));
    for (const name of ['neg', 'abs', 'exp', 'sqrt', 'reciprocal', 'sign', 'floor', 'ceil', 'round', 'erf', 'sin', 'cos', 'tanh', 'sigmoid', 'relu', 'softplus', 'softsign', 'mish', 'hardSwish']) sum = op.add(sum, op[name](op.abs(x)));
    output(op.where(op.and(op.greater(x, 0), op.not(op.isNaN(sum))), op.clip(sum, -100, 100), op.max(x, sum, 0)), 'y');
    output(op.cast(op.floorMod(op.cast(x, INT64), 3), DOUBLE), 'rest');
    output(op.gelu(op.leakyRelu(op.elu(op.selu(op.hardSigmoid(op.pow(x, 2), 0.2, 0.5))), 0.1), 'tanh'), 'activation');
  },
  shapes({ op }, { input, output, constant }) {
    const x = input('x', FLOAT, ['batch', 'length', 8]);
    const heads = op.transpose(op.reshape(x, [op.sizeOf(x, 0), op.sizeOf(x, 1), 2, 4]), [0, 2, 1, 3]);
    const [first, second] = op.split(heads, 3, [1, 3]);
    output(op.concat([second, first], -1), 'swapped');
    output(op.slice(x, [{ axis: 1, start: -1, end: undefined, step: -1 }, { axis: 2, start: 1, end: 7, step: 2 }]), 'sliced');
    output(op.pad(op.squeeze(op.unsqueeze(x, [0, 4]), [0, 4]), [0, 0, 1, 0, 0, 2], { value: 1 }), 'padded');
    output(op.tile(op.expand(op.gather(x, [0, 1], 2), [3, 1, 1, 1]), [1, 1, 2, 1]), 'tiled');
    output(op.gatherND(x, constant(constantTensor(INT64, [0, 0], [1, 2]))), 'picked');
    output(op.scatterElements(op.fill([2, 2], scalar(FLOAT, 0)), constant(constantTensor(INT64, [0, 1], [1, 2])), constant(floats([1, 2]))), 'scattered');
    output(op.oneHot(op.range(constant(scalar(INT64, 0)), op.sizeOf(x, 0), 1), 3, { elementType: FLOAT }), 'one hot');
    output(op.triangle(x, { upper: true, diagonal: 1 }), 'triangle');
    output(op.nonZero(op.stack([x, x], 0)), 'positions');
  },
  reductions({ op }, { input, output, constant }) {
    const x = input('x', FLOAT, ['batch', 6]);
    const w = constant(floats([6, 6]), 'w');
    for (const name of ['reduceSum', 'reduceMean', 'reduceMax', 'reduceMin', 'reduceProd', 'reduceL1', 'reduceL2', 'reduceSumSquare', 'reduceLogSumExp', 'reduceLogSum']) output(op[name](x, { axes: 1, keepAxes: true }), name);
    output(op.argMax(x, -1, { keepAxis: true, last: true }), 'last');
    const [values, indices] = op.topK(op.cumSum(x, 1), 2);
    output(values, 'values');
    output(indices, 'indices');
    output(op.logSoftmax(op.gemm(x, w, constant(floats([6])), { alpha: 0.5, transposeB: true })), 'scores');
    output(op.einsum('bi,ij->bj', x, w), 'product');
    output(op.layerNormalization(x, constant(floats([6])), undefined), 'normal');
  },
  spatial({ op }, { input, output, constant }) {
    const x = input('x', FLOAT, ['batch', 2, 'height', 'width']);
    const y = op.conv(x, constant(floats([4, 2, 3, 3]), 'weight'), constant(floats([4]), 'bias'), { pads: [1, 1, 1, 1], strides: [2, 2] });
    const same = { scale: constant(floats([4])), bias: constant(floats([4])), mean: constant(floats([4])), variance: constant(floats([4], () => 1)) };
    output(op.maxPool(op.batchNormalization(y, same), { kernel: [2, 2], strides: [2, 2] }), 'pooled');
    output(op.averagePool(y, { kernel: [3, 3], countPads: true, pads: [1, 1, 1, 1] }), 'average');
    output(op.convTranspose(y, constant(floats([4, 1, 2, 2]), 'back'), undefined, { strides: [2, 2] }), 'wide');
    output(op.resize(op.globalAveragePool(y), { mode: 'linear', scales: [1, 1, 2, 2], coordinates: 'align_corners' }), 'resized');
  },
  control({ op }, { input, output, constant }) {
    const x = input('x', FLOAT, ['n']);
    output(op.if(op.greater(op.reduceSum(x), 0), (body) => [body.op.mul(x, 2)], () => [x])[0], 'branch');
    const list = constant(constantTensor(INT64, [1]));
    const [grown, squares] = op.loop({ rounds: 5, carried: [list] }, (body, { round, carried }) => ({ carried: [body.op.concat([carried[0], body.op.unsqueeze(round, 0)], 0)], scanned: [body.op.mul(round, round)] }));
    output(grown, 'list');
    output(squares, 'squares');
    const [total] = op.scan([constant(scalar(FLOAT, 0))], [x], (body, [sum], [element]) => ({ states: [body.op.add(sum, element)], scanned: [] }), { reverse: true });
    output(total, 'total');
  },
  machineLearning({ op }, { input, output }) {
    const text = input('text', STRING, ['n']);
    const codes = op.labelEncoder(text, { keys: ['a', 'b'], values: [1, 2], fallback: -1 });
    output(codes, 'codes');
    output(op.labelEncoder(codes, { keys: [1, 2], values: [0.5, 1.5], valueType: DOUBLE }), 'doubles');
    output(op.stringNormalizer(text, { case: 'LOWER', caseSensitive: false, locale: 'C' }), 'lower');
    output(op.stringConcat(text, text), 'twice');
    output(op.stringSplit(text, ' ')[0], 'words');
    output(op.regexFullMatch(text, '[a-z]+'), 'matches');
    const x = input('x', DOUBLE, ['n', 1]);
    output(op.treeEnsemble(x, { n_targets: 1, tree_roots: [0], nodes_modes: constantTensor(UINT8, [0]), nodes_featureids: [0], nodes_splits: constantTensor(DOUBLE, [0.1]), nodes_truenodeids: [0], nodes_trueleafs: [1], nodes_falsenodeids: [1], nodes_falseleafs: [1], leaf_targetids: [0, 0], leaf_weights: constantTensor(DOUBLE, [1, 2]) }), 'tree');
    output(op.arrayFeatureExtractor(x, [0]), 'column');
  },
  datatypes(_, { output, constant }) {
    const numbers = [FLOAT, 2, 3, 4, 5, 6, INT64, BOOL, 10, DOUBLE, 12, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26];
    for (const type of numbers) output(constant(constantTensor(type, [1, 0, 1]), `type ${type}`), `y${type}`);
    output(constant(constantTensor(STRING, ['a', 'ü'])), 'texts');
  },
};

const [directory] = process.argv.slice(2);
for (const [name, build] of Object.entries(samples)) {
  for (const opset of name === 'datatypes' ? [25] : name === 'machineLearning' ? [20, 23] : [18, 21, 23, 25]) {
    const graph = new GraphBuilder({ opset, machineLearningOpset: 5 });
    build(graph, { input: graph.input.bind(graph), output: graph.output.bind(graph), constant: graph.constant.bind(graph) });
    writeModelFile(graph.build({ name, metadata: { sample: name } }), join(directory, `sample-${name}-${opset}.onnx`));
  }
}
