/** The operators that importers need most, as functions: `graph.op.reshape(x, [-1, 10])`. Anything else is `graph.node`. */
import type { GraphBuilder } from '../graph-builder.ts';
import { arithmetic, type ArithmeticFunctions } from './arithmetic.ts';
import { controlFlow, type ControlFlowFunctions } from './control-flow.ts';
import { machineLearning, type MachineLearningFunctions } from './machine-learning.ts';
import { reductions, type ReductionFunctions } from './reductions.ts';
import { shapes, type ShapeFunctions } from './shapes.ts';
import { spatial, type SpatialFunctions } from './spatial.ts';

export interface Operators extends ArithmeticFunctions, ShapeFunctions, ReductionFunctions, SpatialFunctions, MachineLearningFunctions, ControlFlowFunctions {}

export function operators(graph: GraphBuilder): Operators {
  return { ...arithmetic(graph), ...shapes(graph), ...reductions(graph), ...spatial(graph), ...machineLearning(graph), ...controlFlow(graph) };
}
