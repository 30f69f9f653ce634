/** Gives names to the sizes that vary. */
import { isObject, type Program, type TensorMeta } from './program.ts';
import type { Symbols } from './symbols.ts';

/** `batch` where every input has the same size first; `sequence`, `height`, `width` by what they evidently are; else the exporter's symbol. */
export function nameSymbols(program: Program, names: Symbols, note: (sentence: string) => void): void {
  const inputs = userInputs(program);
  const symbols = new Map<string, { axis: number; rank: number; isText: boolean }>();
  for (const { meta } of inputs) {
    for (const [axis, size] of meta.sizes.entries()) {
      const symbol = names.symbolOf(size);
      if (symbol !== undefined && !symbols.has(symbol)) symbols.set(symbol, { axis, rank: meta.sizes.length, isText: meta.dtype === 5 || meta.dtype === 4 });
    }
  }
  const first = inputs.map(({ meta }) => (meta.sizes[0] === undefined ? undefined : names.symbolOf(meta.sizes[0])));
  const outputs = program.outputSpecs.flatMap((spec) => {
    const argument = spec['user_output']?.['arg'];
    const tensor = isObject(argument) && isObject(argument['as_tensor']) ? program.graph.tensorValues.get(String(argument['as_tensor']['name'])) : undefined;
    return tensor === undefined ? [] : [tensor.sizes[0] === undefined ? undefined : names.symbolOf(tensor.sizes[0])];
  });
  const batch = first[0] !== undefined && [...first, ...outputs].every((symbol) => symbol === first[0]) ? first[0] : undefined;
  for (const [symbol, { axis, rank, isText }] of symbols) {
    const usual = symbol === batch ? 'batch' : isText && rank === 2 && axis === 1 ? 'sequence' : rank === 4 && axis === 2 ? 'height' : rank === 4 && axis === 3 ? 'width' : symbol;
    names.name(symbol, names.isTaken(usual) ? symbol : usual);
    const range = program.ranges.get(symbol);
    if (range?.max !== undefined) note(`The size ${names.nameOf(symbol)!} was exported for at most ${range.max}.`);
  }
}

function userInputs(program: Program): { readonly name: string; readonly meta: TensorMeta }[] {
  return program.inputSpecs.flatMap((spec) => {
    const argument = spec['user_input']?.['arg'];
    const name = isObject(argument) && isObject(argument['as_tensor']) ? argument['as_tensor']['name'] : undefined;
    const meta = typeof name === 'string' ? program.graph.tensorValues.get(name) : undefined;
    return meta === undefined ? [] : [{ name: name as string, meta }];
  });
}
