/** What `inspect` prints of a model that has no file of its own: a graph of models, a model on another server. */
import { padEnd, visibleLength, type Style } from '../lib/terminal.ts';
import type { ExplainedConfig } from '../model-config.ts';
import { wireDimension, type Signature, type TensorSpec } from '../model.ts';

export function describeComposed(name: string, signature: Signature, { config, warnings }: ExplainedConfig, style: Style): string {
  const steps = config.ensemble?.steps ?? [];
  const kind = config.ensemble === undefined ? `${config.format ?? ''} ${String(config.parameters?.['url'] ?? '')}`.trim() : `ensemble of ${steps.length} step${steps.length === 1 ? '' : 's'}`;
  const lines = [`${style.bold(name)}  ${style.dim(kind)}`];
  if (config.description !== undefined) lines.push(`  ${config.description}`);
  lines.push('', style.bold('Inputs'), ...tensors(signature.inputs, style), '', style.bold('Outputs'), ...tensors(signature.outputs, style));
  if (steps.length > 0) lines.push('', style.bold('Steps'));
  const width = Math.max(0, ...steps.map((step) => step.model.length));
  for (const step of steps) {
    const inputs = Object.values(step.inputs).join(', ');
    const outputs = Object.values(step.outputs).join(', ');
    lines.push(`  ${style.cyan(padEnd(step.model, width))}  ${inputs} ${style.dim('→')} ${outputs}`);
  }
  for (const warning of warnings) lines.push('', `${style.yellow('!')} ${warning}`);
  return `${lines.join('\n')}\n`;
}

function tensors(specs: readonly TensorSpec[], style: Style): string[] {
  const width = Math.max(0, ...specs.map((spec) => visibleLength(spec.name)));
  return specs.map((spec) => `  ${style.cyan(padEnd(spec.name, width))}  ${spec.datatype}  [${spec.shape.map((size) => (wireDimension(size) === -1 ? '?' : String(size))).join(', ')}]`);
}
