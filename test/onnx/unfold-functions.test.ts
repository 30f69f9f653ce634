import { expect, it } from 'vitest';
import type { FunctionProto, ModelProto, NodeProto } from '../../src/onnx/model-proto.ts';
import { countUnfoldedNodes } from '../../src/onnx/unfold-functions.ts';

const node = (opType: string, domain = ''): NodeProto => ({ opType, domain, input: ['a'], output: ['b'], attribute: [] });
const definition = (name: string, nodes: NodeProto[]): FunctionProto => ({ name, domain: 'f', input: ['a'], output: ['b'], attribute: [], attributeProto: [], opsetImport: [], node: nodes });
const graph = (nodes: NodeProto[]) => ({ node: nodes, initializer: [], sparseInitializer: [], input: [], output: [], valueInfo: [] });
const model = (nodes: NodeProto[], functions: FunctionProto[] = []): ModelProto => ({ opsetImport: [], metadataProps: [], functions, graph: graph(nodes) });

it('counts nodes, those of subgraphs, and those of functions as often as they are called', () => {
  expect(countUnfoldedNodes(model([node('Abs'), node('Neg')]))).toBe(2);
  expect(countUnfoldedNodes(model([{ ...node('If'), attribute: [{ name: 'then_branch', g: graph([node('Abs'), node('Abs')]) }] }]))).toBe(3);
  const twice = definition('Twice', [node('Abs'), node('Abs')]);
  expect(countUnfoldedNodes(model([node('Twice', 'f'), node('Four', 'f')], [twice, definition('Four', [node('Twice', 'f'), node('Twice', 'f')])]))).toBe(6);
  // A standard operator of the same name is no call.
  expect(countUnfoldedNodes(model([node('Twice')], [twice]))).toBe(1);
});

it('tells a function that leads back to itself', () => {
  const functions = [definition('A', [node('B', 'f')]), definition('B', [node('A', 'f')])];
  expect(() => countUnfoldedNodes(model([node('A', 'f')], functions))).toThrow(expect.objectContaining({ code: 'INVALID_MODEL', message: 'its function "f:A" uses itself' }) as Error);
});

it('refuses calls that multiply, and calls that go too deep', () => {
  const chain = (length: number, calls: number) => Array.from({ length }, (_, index) => definition(`F${index}`, index === length - 1 ? [node('Abs')] : Array.from({ length: calls }, () => node(`F${index + 1}`, 'f'))));
  expect(() => countUnfoldedNodes(model([node('F0', 'f')], chain(40, 2)))).toThrow(/unfold to more than 2000000 nodes/);
  expect(() => countUnfoldedNodes(model([node('F0', 'f')], chain(300, 1)))).toThrow(/more than 200 deep/);
  expect(countUnfoldedNodes(model([node('F0', 'f')], chain(100, 1)))).toBe(1);
});
