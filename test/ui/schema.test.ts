import { expect, test } from 'vitest';
import { fieldAt, fieldsOf, getAt, initialValue, problemsOf, setAt, withoutDefaults } from '../../ui/src/schema.ts';

const flower = {
  type: 'object',
  properties: {
    length: { type: 'number', title: 'Length', minimum: 0, 'x-modelport': { minimum: 4, maximum: 8, step: 0.1, unit: 'cm' } },
    color: { enum: ['blue', 'white'] },
    note: { type: 'string' },
    photo: { type: 'string', contentMediaType: 'image/*' },
    top: { type: 'integer', minimum: 1, maximum: 5, default: 3, 'x-modelport': { advanced: true } },
    place: { type: 'object', properties: { country: { type: 'string', maxLength: 2 }, wild: { type: 'boolean' } }, required: ['wild'] },
    tags: { type: 'array', items: { type: 'string' } },
    anything: {},
  },
  required: ['length', 'color', 'place'],
};

test('a schema becomes the right fields', () => {
  const fields = fieldsOf(flower);
  expect(fields.map((field) => `${field.path.join('.')}:${field.kind}${field.required ? '!' : ''}${field.advanced ? '+' : ''}`)).toEqual([
    'length:number!', 'color:select!', 'note:text', 'photo:image', 'top:number+', 'place.country:text', 'place.wild:switch!', 'tags:lines', 'anything:json',
  ]);
  expect(fields[0]).toMatchObject({ slider: true, low: 4, high: 8, minimum: 0, maximum: undefined, unit: 'cm', step: 0.1, title: 'Length' });
  expect(initialValue(fields)).toEqual({ color: 'blue', top: 3, place: { wild: false } });
});

test('references, alternatives and null are followed to what a form can show', () => {
  const schema = {
    $defs: { row: { type: 'object', properties: { x: { anyOf: [{ type: 'null' }, { type: 'number' }] } } }, loop: { $ref: '#/$defs/loop' } },
    anyOf: [{ type: 'array', items: { $ref: '#/$defs/row' } }, { $ref: '#/$defs/row' }],
  };
  expect(fieldsOf(schema).map(({ path, kind }) => [path.join('.'), kind])).toEqual([['x', 'number']]);
  expect(fieldsOf({ $ref: '#/$defs/loop', $defs: schema.$defs })[0]?.kind).toBe('json');
  expect(fieldsOf({ type: 'string', format: 'image' })[0]).toMatchObject({ path: [], kind: 'image' });
});

test('limits of a datatype are no range, and what may be null may be empty', () => {
  const [wide, small, perhaps] = fieldsOf({
    type: 'object',
    properties: { wide: { type: 'number', minimum: -3.4e38, maximum: 3.4e38 }, small: { type: 'integer', minimum: 0, maximum: 255 }, perhaps: { type: ['number', 'null'] } },
    required: ['wide', 'small', 'perhaps'],
  });
  expect(wide).toMatchObject({ slider: false, low: undefined, high: undefined, maximum: 3.4e38 });
  expect(small).toMatchObject({ slider: true, low: 0, high: 255 });
  expect(perhaps).toMatchObject({ kind: 'number', nullable: true });
  expect(problemsOf([wide!, small!, perhaps!], { wide: 1, small: 1, perhaps: null })).toEqual([]);
});

test('problems name the field and what to write', () => {
  const fields = fieldsOf(flower);
  expect(problemsOf(fields, { color: 'blue', place: { wild: true, country: 'DEU' } })).toEqual([
    { field: 'length', message: 'Write a number from 4 to 8.' },
    { field: 'place.country', message: 'At most 2 characters; this has 3.' },
  ]);
  expect(problemsOf(fields, { length: -1, color: 'blue', place: { wild: true }, top: 2.5 })).toEqual([
    { field: 'length', message: 'At least 0, please.' },
    { field: 'top', message: 'Write a whole number.' },
  ]);
  // Beyond what the training data had, but allowed.
  expect(problemsOf(fields, { length: 20, color: 'blue', place: { wild: true } })).toEqual([]);
});

test.each([['length', 'length'], ['rows[0].length', 'length'], ['/place/wild', 'place.wild'], ['body.top', 'top'], ['nothing', undefined], [undefined, undefined]])('the place %s is the field %s', (at, field) => {
  expect(fieldAt(fieldsOf(flower), at)?.path.join('.')).toBe(field);
});

test('values are changed by path without touching the old one', () => {
  const before = { place: { wild: true }, note: 'a' };
  expect(setAt(before, ['place', 'country'], 'DE')).toEqual({ place: { wild: true, country: 'DE' }, note: 'a' });
  expect(setAt(before, ['note'], undefined)).toEqual({ place: { wild: true } });
  expect(before).toEqual({ place: { wild: true }, note: 'a' });
  expect(getAt(before, ['place', 'wild'])).toBe(true);
});

test('what holds without being said is not sent; what must be said is', () => {
  const fields = fieldsOf({
    type: 'object',
    properties: { steps: { type: 'integer', default: 4 }, kind: { enum: ['a', 'b'], default: 'a' }, where: { type: 'object', properties: { city: { type: 'string', default: 'Rome' } } }, sure: { type: 'boolean', default: false } },
    required: ['sure'],
  });
  expect(withoutDefaults(fields, { steps: 4, kind: 'a', where: { city: 'Rome' }, sure: false })).toEqual({ where: {}, sure: false });
  expect(withoutDefaults(fields, { steps: 5, kind: 'b', where: { city: 'Oslo' }, sure: false })).toEqual({ steps: 5, kind: 'b', where: { city: 'Oslo' }, sure: false });
  expect(withoutDefaults(fieldsOf({ type: 'number', default: 3 }), 3)).toBe(3);
});
