/** Files that a person gives → what a request holds: data URLs. */
export function readAsDataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      const url = reader.result as string;
      if (file instanceof File) rememberName(url, file.name);
      resolve(url);
    });
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the file could not be read')));
    // A type that the system does not know is still bytes.
    reader.readAsDataURL(file.type === '' ? file.slice(0, file.size, 'application/octet-stream') : file);
  });
}

/** A data URL does not say how its file was called; this page remembers, for what is on it. */
const names = new Map<string, string>();
const mostNames = 200;

function rememberName(url: string, name: string): void {
  names.delete(url);
  names.set(url, name);
  if (names.size > mostNames) names.delete(names.keys().next().value!);
}

export function nameOf(url: string): string | undefined {
  return names.get(url);
}

/** Whether a file is one of those that `accept` names: `image/*`, `.csv`, `application/pdf`; '' means any. */
export function isAccepted(file: File, accept: string): boolean {
  if (accept === '') return true;
  return accept.split(',').some((wanted) => {
    const kind = wanted.trim();
    if (kind.startsWith('.')) return file.name.toLowerCase().endsWith(kind.toLowerCase());
    return kind.endsWith('/*') ? file.type.startsWith(kind.slice(0, -1)) : file.type === kind;
  });
}
