/** Layers that `optimize_for_mobile` packed for XNNPACK: weights and settings in one object, and a clamp behind. The plain layers are the same. */
import { AtenTensor, type AtenValue } from '../aten/value.ts';
import type { Interpreter } from './interpreter.ts';
import { PackedLayer, type ScriptValue } from './script-value.ts';

const kinds: Readonly<Record<string, { readonly type: string; readonly operator: string; readonly settings: readonly string[] }>> = {
  conv2d_clamp_run: { type: 'Conv2dOpContext', operator: 'aten::conv2d', settings: ['weight', 'bias', 'stride', 'padding', 'dilation', 'groups'] },
  conv2d_transpose_clamp_run: { type: 'TransposeConv2dOpContext', operator: 'aten::conv_transpose2d.input', settings: ['weight', 'bias', 'stride', 'padding', 'output_padding', 'dilation', 'groups'] },
  linear_clamp_run: { type: 'LinearOpContext', operator: 'aten::linear', settings: ['weight', 'bias'] },
};

/** Its setting by the name that the plain operator has for it. */
function settingsOf(run: Interpreter, name: string, layer: ScriptValue | undefined): { readonly values: Readonly<Record<string, AtenValue>>; readonly least: AtenValue; readonly most: AtenValue; readonly operator: string } | undefined {
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined || !(layer instanceof PackedLayer)) return undefined;
  const { items } = layer.state;
  if (layer.type !== kind.type || items.length !== kind.settings.length + 2) throw run.refuse('a packed layer has other settings than are known here');
  const values = Object.fromEntries(kind.settings.map((setting, index) => [setting, items[index]!]));
  return { values, least: items.at(-2)!, most: items.at(-1)!, operator: kind.operator };
}

/** Undefined where it is none of them. */
export function runPackedLayer(run: Interpreter, name: string, args: readonly ScriptValue[]): ScriptValue | undefined {
  const [input, layer] = args;
  const settings = settingsOf(run, name, layer);
  if (settings === undefined || !(input instanceof AtenTensor)) return undefined;
  run.countOperator();
  const result = run.context.call(settings.operator, { input, ...settings.values });
  if (settings.least === null && settings.most === null) return result;
  return run.context.call('aten::clamp', { self: result, min: settings.least, max: settings.most });
}

/** The plain operator and its arguments, by which inputs are guessed. */
export function plainLayer(run: Interpreter, name: string, args: readonly ScriptValue[]): { readonly name: string; readonly args: readonly ScriptValue[] } | undefined {
  const settings = settingsOf(run, name, args[1]);
  if (settings === undefined) return undefined;
  const order = ['weight', 'bias', 'stride', 'padding', ...(name === 'conv2d_transpose_clamp_run' ? ['output_padding', 'groups'] : ['dilation', 'groups'])];
  return { name: settings.operator.slice(6).split('.')[0]!, args: [args[0]!, ...order.map((setting) => settings.values[setting] ?? null)] };
}
