/** Arguments of nodes, as the exporter writes them, as values. */
import { type AtenScalar, type AtenValue, isScalar } from '../aten/value.ts';
import type { LoweringContext } from '../aten/lowering.ts';
import { scalarTypeOfExport } from './archive.ts';
import { damaged, floatOf, integerOf, isObject, listOf, objectOf, textOf, type Argument } from './program.ts';

/** Values by their names in the program. */
export type Environment = Map<string, AtenValue>;

/** c10's memory formats by the exporter's numbers. */
const memoryFormats: Readonly<Record<number, bigint>> = { 1: 0n, 2: 2n, 3: 3n, 4: 1n };

/** What an argument of a node is: a value that was named before, or one of its own. */
export function readArgument(argument: Argument, environment: Environment, context: LoweringContext): AtenValue {
  const [kind] = Object.keys(argument);
  const value = kind === undefined ? undefined : argument[kind];
  switch (kind) {
    case 'as_none':
      return null;
    case 'as_tensor':
      return find(textOf(objectOf(value, kind)['name'], kind), environment);
    case 'as_tensors':
      return listOf(value, kind).map((item) => find(textOf(objectOf(item, kind)['name'], kind), environment));
    case 'as_optional_tensor':
      return readArgument(objectOf(value, kind), environment, context);
    case 'as_optional_tensors':
      return listOf(value, kind).map((item) => readArgument(objectOf(item, kind), environment, context));
    case 'as_int':
      return integerOf(value, kind);
    case 'as_ints':
      return listOf(value, kind).map((item) => integerOf(item, kind));
    case 'as_float':
      return floatOf(value, kind);
    case 'as_floats':
      return listOf(value, kind).map((item) => floatOf(item, kind));
    case 'as_bool':
      return value === true;
    case 'as_bools':
      return listOf(value, kind).map((item) => item === true);
    case 'as_string':
      return textOf(value, kind);
    case 'as_strings':
      return listOf(value, kind).map((item) => textOf(item, kind));
    case 'as_sym_int':
    case 'as_sym_float':
    case 'as_sym_bool':
      return symbolic(objectOf(value, kind), environment);
    case 'as_sym_ints':
    case 'as_sym_floats':
    case 'as_sym_bools':
      return listOf(value, kind).map((item) => symbolic(objectOf(item, kind), environment));
    case 'as_scalar_type':
      return BigInt(scalarTypeOfExport(Number(value)));
    case 'as_memory_format':
      return memoryFormats[Number(value)] ?? 1n;
    case 'as_layout':
      return value === 7 ? 0n : 1n;
    case 'as_device': {
      const device = objectOf(value, kind);
      return textOf(device['type'], kind);
    }
    default:
      throw context.refuse(`an argument of the kind ${String(kind)} is not covered`);
  }
}

/** The name of an input; '' where it has none. */
export function nameOf(argument: Argument): string {
  const [kind] = Object.keys(argument);
  const details = kind === undefined ? undefined : argument[kind];
  if (isObject(details)) {
    const name = details['name'] ?? details['as_name'];
    if (typeof name === 'string') return name;
  }
  return '';
}

function find(name: string, environment: Environment): AtenValue {
  const value = environment.get(name);
  if (value === undefined) throw damaged(`it uses ${JSON.stringify(name.slice(0, 100))} before it is there, or a result that is not covered`);
  return value;
}

function symbolic(value: Readonly<Record<string, unknown>>, environment: Environment): AtenScalar {
  if (value['as_int'] !== undefined) return integerOf(value['as_int'], 'an int');
  if (value['as_float'] !== undefined) return floatOf(value['as_float'], 'a float');
  if (value['as_bool'] !== undefined) return value['as_bool'] === true;
  const found = find(textOf(value['as_name'], 'the name of a number'), environment);
  if (!isScalar(found)) throw damaged('a number is no number');
  return found;
}
