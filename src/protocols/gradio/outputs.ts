/** The answer of an endpoint as the outputs of a Gradio function: one value, or one for each member of an object. */
import type { PredictSignature } from '../../model.ts';
import { answerComponent, bytesOf, componentOf, type Component } from './components.ts';
import { fileDataSchema, type JobFiles } from './file-data.ts';
import { drawBoxes, drawMasks, type Box } from './marks.ts';
import { firstAlternative, isRecord, itemShape, membersOf, shapeOf, type Member, type Shape } from './schema.ts';

export interface Output {
  readonly label: string;
  readonly description: string;
  readonly component: Component;
  /** The output's value on the wire. `input`: what the answer was for. */
  write(answer: unknown, input: unknown, files: JobFiles): Promise<unknown>;
}

/** More members than this are one JSON value. */
const mostOutputs = 10;

export function outputsOf({ output, part, task }: PredictSignature): readonly Output[] {
  const shape = part === undefined ? firstAlternative(output) : shapeOf(part);
  const members = membersOf(shape);
  if (members === undefined) return [wholeAnswer(shape)];
  for (const form of answerForms) {
    const outputs = form(members);
    if (outputs !== undefined) return outputs;
  }
  // What tasks may leave out is detail; what a service declares is what its author wants to be seen.
  const shown = task === 'service' ? members : members.filter(({ required }) => required);
  if (shown.length === 0 || shown.length > mostOutputs || isRecord(shape.schema['additionalProperties']) || shape.schema['additionalProperties'] === true) return [wholeAnswer(shape)];
  return shown.map(memberOutput);
}

function wholeAnswer(shape: Shape): Output {
  const component = componentOf(shape, 'output');
  return { label: titleOf(shape, 'output'), description: describe(shape), component, write: async (answer, _input, files) => component.write(answer, 'output', files) };
}

function memberOutput({ name, shape }: Member): Output {
  const component = componentOf(shape, 'output');
  return { label: titleOf(shape, name), description: describe(shape), component, write: async (answer, _input, files) => component.write(member(answer, name), name, files) };
}

/** Answers of tasks that Gradio has a component for, as the hints of their schemas tell; the first that fits. */
const answerForms: readonly ((members: readonly Member[]) => readonly Output[] | undefined)[] = [asLabel, asHighlightedText, asAnnotatedImage];

const number = { type: 'number' };
const text = { type: 'string' };

const labelComponent = answerComponent(
  'Label',
  { type: 'object', properties: { label: text, confidences: { anyOf: [{ type: 'array', items: { type: 'object', properties: { label: text, confidence: number }, required: ['label', 'confidence'] } }, { type: 'null' }] } }, required: ['label'] },
  'dict(label: str, confidences: list[dict(label: str, confidence: float)] | None)',
);

/**
 * `{label, score, labels: [{label, score}]}`, or each label's score by its name: label and score are said in it again. Of a list of
 * such lists (a text with several gaps) the first is a label, and all are told beside it.
 */
function asLabel(members: readonly Member[]): readonly Output[] | undefined {
  const found = withWidget(members, 'labels') ?? members.find(({ shape }) => itemShape(shape)?.hints['widget'] === 'labels');
  if (found === undefined) return undefined;
  const isList = found.shape.hints['widget'] !== 'labels';
  const shape = isList ? itemShape(found.shape)! : found.shape;
  const key = typeof shape.hints['label'] === 'string' ? shape.hints['label'] : 'label';
  const byName = shape.types.includes('object');
  if (!byName && !itemsHave({ shape }, key, 'score')) return undefined;
  const others = members.filter((each) => (isList || each !== found) && each.required && each.name !== 'label' && each.name !== 'score');
  const label: Output = {
    label: 'label',
    description: describe(found.shape),
    component: labelComponent,
    write: async (answer) => {
      const whole = member(answer, found.name);
      const given = isList && Array.isArray(whole) ? (whole[0] as unknown) : whole;
      const scored = byName && isRecord(given) ? Object.entries(given).map(([name, confidence]) => ({ label: name, confidence })) : items(given).map((item) => ({ label: item[key] ?? null, confidence: item['score'] ?? null }));
      const confidences = scored.toSorted((left, right) => Number(right.confidence) - Number(left.confidence));
      return { label: member(answer, 'label') ?? confidences[0]?.label ?? null, confidences };
    },
  };
  return [label, ...others.map(memberOutput)];
}

const highlightedTextComponent = answerComponent(
  'Highlightedtext',
  { type: 'array', items: { type: 'object', properties: { token: text, class_or_confidence: { anyOf: [text, number, { type: 'null' }] } }, required: ['token'] } },
  'list[dict(token: str, class_or_confidence: str | float | None)]',
);

/** `{entities: [{label, start, end, …}], text}`: the text in pieces, and the entities with their scores and places. */
function asHighlightedText(members: readonly Member[]): readonly Output[] | undefined {
  const found = withWidget(members, 'entities');
  const textField = found?.shape.hints['textField'];
  if (found === undefined || typeof textField !== 'string' || !itemsHave(found, 'label', 'start', 'end')) return undefined;
  const highlighted: Output = {
    label: textField,
    description: describe(found.shape),
    component: highlightedTextComponent,
    write: async (answer, input) => {
      const whole = member(answer, textField) ?? member(input, textField);
      return typeof whole === 'string' ? textPieces(whole, items(member(answer, found.name))) : null;
    },
  };
  return [highlighted, ...members.filter(({ name, required }) => required && name !== textField).map(memberOutput)];
}

/** Places count code points, as Python does. An entity that overlaps the one before it is left out. */
function textPieces(whole: string, entities: readonly Readonly<Record<string, unknown>>[]): unknown {
  const characters = [...whole];
  const pieces: { token: string; class_or_confidence: unknown }[] = [];
  let at = 0;
  for (const { start, end, label } of [...entities].sort((left, right) => Number(left['start']) - Number(right['start'])) as { start: number; end: number; label: unknown }[]) {
    if (!(start >= at && end > start)) continue;
    if (start > at) pieces.push({ token: characters.slice(at, start).join(''), class_or_confidence: null });
    pieces.push({ token: characters.slice(start, end).join(''), class_or_confidence: label });
    at = end;
  }
  if (at < characters.length) pieces.push({ token: characters.slice(at).join(''), class_or_confidence: null });
  return pieces;
}

const annotatedImageComponent = answerComponent(
  'Annotatedimage',
  { type: 'object', properties: { image: fileDataSchema, annotations: { type: 'array', items: { type: 'object', properties: { image: fileDataSchema, label: text }, required: ['image', 'label'] } } }, required: ['image', 'annotations'] },
  'dict(image: filepath, annotations: list[dict(image: filepath, label: str)])',
);

/** Things in a picture, each with a mask or a box: the picture with a mark a thing, and what else is known of them. */
function asAnnotatedImage(members: readonly Member[]): readonly Output[] | undefined {
  const found = withWidget(members, 'masks') ?? withWidget(members, 'boxes');
  if (found === undefined) return undefined;
  const { widget, image: picture, label: named } = found.shape.hints;
  const place = widget === 'masks' ? 'mask' : 'box';
  const name = typeof named === 'string' ? named : 'label';
  if (typeof picture !== 'string' || !itemsHave(found, name, place)) return undefined;
  const facts = componentOf(shapeOf({ type: 'array' }), 'output');
  return [
    {
      label: picture,
      description: describe(found.shape),
      component: annotatedImageComponent,
      write: async (answer, input, files) => {
        const bytes = bytesOf(member(input, picture));
        const things = items(member(answer, found.name));
        const marks = bytes === undefined ? [] : place === 'mask' ? await drawMasks(things.map(({ mask }) => bytesOf(mask) ?? new Uint8Array(0))) : await drawBoxes(bytes, things.map(({ box }) => box as Box));
        const annotations = await Promise.all(
          things.flatMap((thing, index) => {
            const mark = marks[index] ?? (place === 'mask' ? bytesOf(thing['mask']) : undefined);
            return mark === undefined ? [] : [files.write(mark, 'mask', 'image/png').then((image) => ({ image, label: String(thing[name]) }))];
          }),
        );
        return { image: bytes === undefined ? null : await files.write(bytes, picture), annotations };
      },
    },
    {
      label: found.name,
      description: place === 'mask' ? 'The same without masks.' : describe(found.shape),
      component: facts,
      write: async (answer, _input, files) => facts.write(items(member(answer, found.name)).map(({ mask: _mask, ...others }) => others), found.name, files),
    },
    ...members.filter((each) => each !== found && each.required).map(memberOutput),
  ];
}

function withWidget(members: readonly Member[], widget: string): Member | undefined {
  return members.find(({ shape }) => shape.hints['widget'] === widget);
}

function itemsHave({ shape }: Pick<Member, 'shape'>, ...names: readonly string[]): boolean {
  const item = itemShape(shape);
  const known = item === undefined ? undefined : membersOf(item)?.map(({ name }) => name);
  return known !== undefined && names.every((name) => known.includes(name));
}

function items(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? (value as unknown[]).filter(isRecord) : [];
}

function member(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

export function titleOf({ schema }: Shape, name: string): string {
  return typeof schema['title'] === 'string' && schema['title'] !== '' ? schema['title'] : name;
}

export function describe({ schema }: Shape): string {
  return typeof schema['description'] === 'string' ? schema['description'] : '';
}
