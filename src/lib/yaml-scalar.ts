/** A text as YAML writes it in one line, by the rules of YAML 1.1 and 1.2 alike: plain where it can only be that text, else in double quotes. */
export function yamlScalar(text: string): string {
  const plain = /^[A-Za-z/][\w./@+-]*(?::[\w./@+-]+)*$/.test(text) && !/^(?:y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}
