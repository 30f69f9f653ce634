/** Every rule by operator, and what can be told of an operator that has none. */
import { dataTypes } from '../data-type.ts';
import { operatorSchema } from '../operator-schema.ts';
import { nameOfType, tensorType } from '../value-type.ts';
import { controlFlowRules } from './control-flow.ts';
import { elementwiseRules } from './elementwise.ts';
import { indexingRules } from './indexing.ts';
import type { KnownValue } from './known-value.ts';
import { linearAlgebraRules } from './linear-algebra.ts';
import { machineLearningRules, textRules } from './machine-learning.ts';
import { movementRules } from './movement.ts';
import type { NodeContext, Rule } from './node-context.ts';
import { reductionRules } from './reduction.ts';
import { spatialRules } from './spatial.ts';

const standardRules = new Map<string, Rule>(
  [elementwiseRules, reductionRules, movementRules, indexingRules, linearAlgebraRules, spatialRules, textRules, controlFlowRules].flatMap((rules) => Object.entries(rules)),
);
const machineLearning = new Map(Object.entries(machineLearningRules));

/** What is known of the node's outputs. Throws `INVALID_MODEL` where its inputs cannot be. */
export function inferNode(node: NodeContext): readonly (KnownValue | undefined)[] {
  const domain = node.node.domain ?? '';
  const rule = domain === '' || domain === 'ai.onnx' ? standardRules.get(node.opType) : domain === 'ai.onnx.ml' ? machineLearning.get(node.opType) : undefined;
  return (rule ?? bySchema)(node);
}

/** The element types that the schema ties to those of the inputs. */
const bySchema: Rule = (node) => {
  const schema = operatorSchema(node.node.domain ?? '', node.opType, node.opset);
  if (schema === undefined) return [];
  const byVariable = new Map<string, number>();
  for (const index of node.inputs.keys()) {
    const parameter = schema.inputs[Math.min(index, schema.inputs.length - 1)];
    if (parameter?.variable !== undefined && node.elementType(index) !== 0) byVariable.set(parameter.variable, node.elementType(index));
  }
  return node.node.output.map((_, index): KnownValue | undefined => {
    const parameter = schema.outputs[Math.min(index, schema.outputs.length - 1)];
    const bound = parameter?.variable === undefined ? undefined : byVariable.get(parameter.variable);
    if (bound !== undefined) return { type: tensorType(bound) };
    if (parameter === undefined || parameter.types.size !== 1) return undefined;
    const [only] = parameter.types;
    const facts = [...dataTypes.values()].find((candidate) => nameOfType(tensorType(candidate.number)) === only);
    return facts === undefined ? undefined : { type: tensorType(facts.number) };
  });
};
