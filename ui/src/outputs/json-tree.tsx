import { writtenText, type JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';

const shownItems = 100;

/** Values by name, folded below the second level. */
export function JsonTree({ value }: { readonly value: JsonValue }) {
  return <div className="json"><Node value={value} depth={0} /></div>;
}

function Node({ value, name, depth }: { readonly value: JsonValue; readonly name?: string; readonly depth: number }) {
  const label = name === undefined ? null : <span className="json-name">{name}: </span>;
  const entries: readonly (readonly [string, JsonValue])[] | undefined = Array.isArray(value)
    ? (value as readonly JsonValue[]).map((item, index) => [String(index), item] as const)
    : isObject(value) ? Object.entries(value) : undefined;
  if (entries === undefined) return <div className="json-leaf">{label}<Leaf value={value} /></div>;
  if (Array.isArray(value) && value.length <= 16 && value.every((item) => typeof item !== 'object')) {
    return <div className="json-leaf">{label}[{value.map((item: JsonValue, index: number) => <span key={index}>{index > 0 && ', '}<Leaf value={item} /></span>)}]</div>;
  }
  return (
    <details open={depth < 2}>
      <summary>{label}{entries.length} {Array.isArray(value) ? 'item' : 'member'}{entries.length === 1 ? '' : 's'}</summary>
      <div>
        {entries.slice(0, shownItems).map(([key, item]) => <Node key={key} name={key} value={item} depth={depth + 1} />)}
        {entries.length > shownItems && <div className="json-leaf quiet">… {entries.length - shownItems} more; “JSON” shows all</div>}
      </div>
    </details>
  );
}

function Leaf({ value }: { readonly value: JsonValue }) {
  if (typeof value === 'string') return <span className="json-string">{JSON.stringify(value.length > 2000 ? `${value.slice(0, 2000)}…` : value)}</span>;
  return <span className="json-number">{writtenText(value)}</span>;
}
