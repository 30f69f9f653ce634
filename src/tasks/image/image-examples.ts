/** Examples of a task that takes pictures, as clients can send them: files and bytes become data URLs. */
import { readExamples } from '../../example-files.ts';
import type { TaskFacts } from '../../task.ts';
import { imageDataUrl } from './image-value.ts';

/** `{file: sample.png}` and `{image: {file: sample.png}}` become `{image: "data:…"}`; other examples stay as they are. */
export function imageExamples({ examples, artifact, directory }: TaskFacts): readonly unknown[] {
  return readExamples(examples, directory ?? artifact.directory).map((example) => {
    if (example instanceof Uint8Array) return { image: imageDataUrl(example) };
    if (typeof example === 'string') return { image: example };
    if (typeof example !== 'object' || example === null) return example;
    const { image } = example as { readonly image?: unknown };
    return image instanceof Uint8Array ? { ...example, image: imageDataUrl(image) } : example;
  });
}
