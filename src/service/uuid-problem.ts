/** Why a text is no UUID, in the words of the parser that pydantic uses (the Rust crate `uuid`); undefined where it is one. */
export function uuidProblem(given: string): string | undefined {
  const text = /^\{.*\}$/.test(given) ? given.slice(1, -1) : given.startsWith('urn:uuid:') ? given.slice('urn:uuid:'.length) : given;
  if (/^[0-9a-fA-F]{32}$/.test(text) || /^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)) return undefined;
  const places: number[] = [];
  let index = 0;
  for (const character of given) {
    if (character === '-') places.push(index);
    else if (!/[0-9a-fA-F]/.test(character)) return `invalid character: found \`${character}\` at ${index}`;
    index += Buffer.byteLength(character);
  }
  if (places.length === 0) return `invalid length: found ${given.length}`;
  if (places.length !== 4) return `invalid group count: expected 5, found ${places.length + 1}`;
  const lengths = given.split('-').map((group) => group.length);
  const wanted = [8, 4, 4, 4, 12];
  const wrong = lengths.findIndex((length, group) => length !== wanted[group]);
  return `invalid group length in group ${wrong}: expected ${wanted[wrong]}, found ${lengths[wrong]}`;
}
