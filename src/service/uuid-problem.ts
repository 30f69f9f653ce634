/** Why a text is no UUID, in the words of the parser that pydantic uses (the Rust crate `uuid`); undefined where it is one. */
export function uuidProblem(given: string): string | undefined {
  const text = /^\{.*\}$/.test(given) ? given.slice(1, -1) : given.startsWith('urn:uuid:') ? given.slice('urn:uuid:'.length) : given;
  if (/^[0-9a-fA-F]{32}$/.test(text) || /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)) return undefined;
  const places: number[] = [];
  let index = 0;
  for (const character of given) {
    index++;
    if (/[0-9a-fA-F]/.test(character)) continue;
    if (character !== '-') return `invalid character: expected an optional prefix of \`urn:uuid:\` followed by [0-9a-fA-F-], found \`${character}\` at ${index}`;
    places.push(index);
  }
  if (places.length === 0) return `invalid length: expected length 32 for simple format, found ${given.length}`;
  if (places.length !== 4) return `invalid group count: expected 5, found ${places.length + 1}`;
  const lengths = given.split('-').map((group) => group.length);
  const wanted = [8, 4, 4, 4, 12];
  const wrong = lengths.findIndex((length, group) => length !== wanted[group]);
  return `invalid group length in group ${wrong}: expected ${wanted[wrong]}, found ${lengths[wrong]}`;
}
