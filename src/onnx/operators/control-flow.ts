/** Branches and loops, whose bodies are built by functions. */
import { scalar } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Subgraph, Value } from '../graph-builder.ts';
import { nameOfType, tensorType, unionType, type ValueType } from '../value-type.ts';
import { ModelportError } from '../../errors.ts';
import { toValue, type Index } from './operand.ts';

export interface LoopRound {
  /** int64 scalar, from 0. */
  readonly round: Value;
  readonly carried: readonly Value[];
}

export interface LoopResult {
  /** Whether to go on; default: as long as rounds are left. */
  readonly condition?: Value;
  /** As many as come in, of the same types. */
  readonly carried: readonly Value[];
  /** One element of each list that the loop gives. */
  readonly scanned?: readonly Value[];
}

export interface LoopOptions {
  /** Default: no limit. */
  readonly rounds?: Index;
  /** Whether to begin at all. */
  readonly condition?: Value;
  readonly carried: readonly Value[];
}

export interface ControlFlowFunctions {
  /** Both branches give as many values, of the same element types. */
  if(condition: Value, yes: (body: GraphBuilder) => readonly Value[], no: (body: GraphBuilder) => readonly Value[]): Value[];
  /**
   * The carried values after the last round, then the lists of what was scanned. `build` may be called again with wider types,
   * where a carried value turns out to change its shape.
   */
  loop(options: LoopOptions, build: (body: GraphBuilder, round: LoopRound) => LoopResult): Value[];
  /** Goes through the first axis of `scanned`. Gives the states after the last step, then the lists. */
  scan(
    states: readonly Value[],
    scanned: readonly Value[],
    build: (body: GraphBuilder, states: readonly Value[], elements: readonly Value[]) => { readonly states: readonly Value[]; readonly scanned: readonly Value[] },
    options?: { readonly reverse?: boolean },
  ): Value[];
}

export function controlFlow(graph: GraphBuilder): ControlFlowFunctions {
  /** Builds until what the body gives back is no more than what it takes. */
  const settle = (values: readonly Value[], build: (types: readonly ValueType[]) => { readonly body: Subgraph; readonly results: readonly Value[] }): Subgraph => {
    let types = values.map((value) => value.type ?? tensorType(0));
    for (let attempt = 0; ; attempt++) {
      const { body, results } = build(types);
      if (results.length !== types.length) throw new ModelportError('INTERNAL', `a loop carries ${types.length} values, but its body gives ${results.length}`);
      const next = types.map((type, index) => {
        const together = unionType(type, results[index]!.type);
        if (together === undefined || (together.kind === 'tensor' && together.elementType === 0)) {
          throw new ModelportError('INVALID_MODEL', `a loop carries ${nameOfType(type)}, but its body gives ${nameOfType(results[index]!.type)}`);
        }
        return together;
      });
      if (next.every((type, index) => sameType(type, types[index]!))) return body;
      if (attempt > 8) throw new ModelportError('INTERNAL', 'the types of a loop do not settle');
      types = attempt < 3 ? next : next.map((type) => (type.kind === 'tensor' ? tensorType(type.elementType) : type));
    }
  };
  return {
    if(condition, yes, no) {
      const taken = graph.subgraph('then', yes);
      const other = graph.subgraph('else', no);
      if (taken.outputs.length !== other.outputs.length) throw new ModelportError('INTERNAL', `the branches of If give ${taken.outputs.length} and ${other.outputs.length} values`);
      return graph.node('If', [condition], { then_branch: taken.graph, else_branch: other.graph }, { outputs: taken.outputs.length });
    },
    loop({ rounds, condition, carried }, build) {
      let scannedCount = 0;
      const subgraph = settle(carried, (types) => {
        let results: readonly Value[] = [];
        const body = graph.subgraph('body', (inner) => {
          const round = inner.input('round', ElementType.INT64, []);
          const goOn = inner.input('condition', ElementType.BOOL, []);
          const result = build(inner, { round, carried: types.map((type, index) => inner.inputOf(`carried_${index}`, type)) });
          results = result.carried;
          scannedCount = result.scanned?.length ?? 0;
          return [result.condition ?? goOn, ...result.carried, ...(result.scanned ?? [])];
        });
        return { body, results };
      });
      const limit = rounds === undefined ? undefined : toValue(graph, rounds, ElementType.INT64);
      const start = condition ?? graph.constant(scalar(ElementType.BOOL, true));
      return graph.node('Loop', [limit, start, ...carried], { body: subgraph.graph }, { outputs: carried.length + scannedCount });
    },
    scan(states, scanned, build, { reverse = false } = {}) {
      let outputCount = 0;
      const subgraph = settle(states, (types) => {
        let results: readonly Value[] = [];
        const body = graph.subgraph('body', (inner) => {
          const before = types.map((type, index) => inner.inputOf(`state_${index}`, type));
          const elements = scanned.map((value, index) => inner.input(`element_${index}`, value.elementType, value.shape?.slice(1)));
          const result = build(inner, before, elements);
          results = result.states;
          outputCount = result.scanned.length;
          return [...result.states, ...result.scanned];
        });
        return { body, results };
      });
      const directions = (count: number) => (reverse ? new Array<number>(count).fill(1) : undefined);
      return graph.node(
        'Scan',
        [...states, ...scanned],
        { body: subgraph.graph, num_scan_inputs: scanned.length, scan_input_directions: directions(scanned.length), scan_output_directions: directions(outputCount) },
        { outputs: states.length + outputCount },
      );
    },
  };
}

function sameType(a: ValueType, b: ValueType): boolean {
  const plain = (type: ValueType) => JSON.stringify(type).replaceAll(/\?\d+/g, '?');
  return plain(a) === plain(b);
}
