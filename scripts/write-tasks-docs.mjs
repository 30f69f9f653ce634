/** Writes `docs/tasks.md` from the tasks' own schemas. `--check` only tells whether it is current. Run after a build: `node scripts/write-tasks-docs.mjs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { tasks } from '../dist/tasks/index.js';

const folder = (...files) => `config.json, ${files.join(', ')} and onnx/model.onnx (or model.onnx)`;
const tokens = folder('tokenizer.json', 'tokenizer_config.json');
const picture = folder('preprocessor_config.json');

/** What a schema can not say. takes and gives: examples of values. */
const prose = {
  'audio-classification': { what: 'A recording → what it is.', takes: '{"audio": "…a WAVE, MP3, FLAC, Ogg or WebM file, base64…", "topK": 3}', gives: '{"label": "dog", "score": 0.93, "labels": [{"label": "dog", "score": 0.93}]}', found: 'A preprocessor_config.json of a feature extractor for sound, an input of samples or of a spectrogram, and one score a class.', folder: picture },
  'feature-extraction': { what: 'A text → its vector.', takes: '{"text": "A text"}', gives: '{"embedding": [0.12, -0.03]}', found: 'The model takes tokens and answers a hidden state or an embedding, and there is a tokenizer.json.', folder: tokens },
  'file-classification': { what: 'Any file → what kind of file it is.', takes: '{"file": "…any file, base64…"}', gives: '{"label": "python", "score": 0.99, "labels": [{"label": "python", "score": 0.99}]}', found: "Magika's config.min.json beside the model: which bytes it reads, and the names of its classes.", folder: 'model.onnx and config.min.json, as Magika ships them' },
  'fill-mask': { what: 'A text with a gap → words that fit.', takes: '{"text": "Paris is the [MASK] of France.", "topK": 3}', gives: '{"best": "Paris is the capital of France.", "gaps": [[{"token": "capital", "score": 0.8, "tokenId": 3007, "text": "Paris is the capital of France."}]]}', found: 'config.json names an architecture that ends in ForMaskedLM.', folder: tokens },
  'image-classification': { what: 'A picture → what is in it.', takes: '{"image": "…a picture, base64…", "topK": 5}', gives: '{"label": "tabby cat", "score": 0.91, "labels": [{"label": "tabby cat", "score": 0.91}]}', found: 'One input is a picture, and one output has one score a class with evidence that it does: labels, names, config.json.', folder: picture },
  'image-segmentation': { what: 'A picture → what every pixel shows.', takes: '{"image": "…a picture, base64…"}', gives: '{"segments": [{"label": "road", "score": 0.97, "share": 0.31, "mask": "data:image/png;base64,…"}]}', found: 'One input is a picture, and one output has a score for each class of config.json at every place.', folder: picture },
  'object-detection': { what: 'A picture → what is where.', takes: '{"image": "…a picture, base64…", "threshold": 0.5}', gives: '{"objects": [{"label": "dog", "score": 0.94, "box": {"xmin": 12, "ymin": 30, "xmax": 210, "ymax": 300}}]}', found: 'One input is a picture, and the outputs are boxes in a form that detectors have: DETR, YOLO, boxes with scores, boxes with classes.', folder: picture },
  'optical-character-recognition': { what: 'A picture → the text in it, line by line, by three models of which two are named in the options.', takes: '{"image": "…a picture, base64…"}', gives: '{"text": "Hello", "lines": [{"text": "Hello", "score": 0.98, "box": {"xmin": 1, "ymin": 2, "xmax": 60, "ymax": 20}, "polygon": [[1, 2], [60, 2], [60, 20], [1, 20]]}]}', found: 'Never: the config says so.', folder: 'three models of PaddleOCR as ONNX, served together' },
  'question-answering': { what: 'A question and a text → the part of the text that answers it.', takes: '{"question": "Who?", "context": "A text of any length."}', gives: '{"answer": "a person", "score": 0.7, "start": 10, "end": 18, "answers": [{"answer": "a person", "score": 0.7, "start": 10, "end": 18}]}', found: 'config.json names an architecture that ends in ForQuestionAnswering, or the outputs are start_logits and end_logits.', folder: tokens },
  recommendation: { what: 'Somebody, and perhaps things → the things that fit best, in order.', takes: '{"user": "u7", "topK": 3}', gives: '{"items": [{"item": "Heat", "score": 4.6}]}', found: 'The inputs are a user and an item, by their names.', folder: 'model.onnx; names of things come from the options' },
  'sentence-similarity': { what: 'A text and others → how much alike they are.', takes: '{"source": "A cat sits.", "sentences": ["A kitten sits.", "It rains."]}', gives: '{"similarities": [{"sentence": "A kitten sits.", "score": 0.83}, {"sentence": "It rains.", "score": 0.07}]}', found: "The folder is one of the sentence-transformers library: it has 1_Pooling or config_sentence_transformers.json.", folder: `${tokens}; 1_Pooling/config.json says how vectors are pooled` },
  'tabular-classification': { what: 'A row of a table, or a list of rows → a class for each.', takes: '{"sepal length": 5.1, "sepal width": 3.5}', gives: '{"label": "setosa", "probabilities": {"setosa": 0.98, "virginica": 0.02}}', found: 'Every input is a column or a row of columns, and an output is a class or has one probability a class.', folder: 'the model file alone' },
  'tabular-regression': { what: 'A row of a table, or a list of rows → a number for each.', takes: '{"horsepower": 95, "weight": 2372}', gives: '{"value": 24.1}', found: 'Every input is a column or a row of columns, and the output is one number a row.', folder: 'the model file alone' },
  'text-classification': { what: 'A text → its class: sentiment, topic, spam.', takes: '{"text": "I loved it.", "topK": 2}', gives: '{"label": "POSITIVE", "score": 0.99, "labels": [{"label": "POSITIVE", "score": 0.99}]}', found: 'config.json names an architecture that ends in ForSequenceClassification, or the model takes one text a row and answers a class.', folder: tokens },
  'text-generation': { what: 'A text → how it goes on, token by token. Streams at different places share the steps of the model.', takes: '{"prompt": "Once upon", "maxTokens": 20, "temperature": 0.8, "seed": 1}', gives: '{"text": " a time", "finishReason": "length", "promptTokens": 2, "completionTokens": 20}', found: 'The model takes tokens and past_key_values.N.key and .value, and answers logits and present.N.key and .value, as Optimum names them; or config.json names an architecture that ends in ForCausalLM or LMHeadModel.', folder: tokens },
  'token-classification': { what: 'A text → the names in it: people, places, organizations.', takes: '{"text": "Sarah lives in London."}', gives: '{"entities": [{"label": "PER", "score": 0.99, "word": "Sarah", "start": 0, "end": 5}], "text": "Sarah lives in London."}', found: 'config.json names an architecture that ends in ForTokenClassification.', folder: tokens },
  'voice-activity-detection': { what: 'A recording → where somebody speaks; also as a stream that comes in parts.', takes: '{"audio": "…a WAVE, MP3, FLAC, Ogg or WebM file, base64…"}', gives: '{"speech": true, "share": 0.8, "segments": [{"start": 0.4, "end": 2.1}], "timeline": {"start": 0, "step": 0.032, "values": [0.01]}}', found: "Silero's inputs: samples, a state, and the sample rate.", folder: 'model.onnx' },
  'zero-shot-classification': { what: 'A text and any labels → which of them fits.', takes: '{"text": "The match was lost.", "labels": ["sports", "politics"]}', gives: '{"label": "sports", "score": 0.92, "labels": [{"label": "sports", "score": 0.92}, {"label": "politics", "score": 0.08}]}', found: 'config.json names an architecture that ends in ForSequenceClassification, with a class called entailment.', folder: tokens },
  'zero-shot-image-classification': { what: 'A picture and any captions → which of them fits (CLIP).', takes: '{"image": "…a picture, base64…", "labels": ["a dog", "a cat"]}', gives: '{"label": "a cat", "score": 0.97, "labels": [{"label": "a cat", "score": 0.97}, {"label": "a dog", "score": 0.03}]}', found: 'The model takes a picture and tokens, and answers logits_per_image.', folder: folder('preprocessor_config.json', 'tokenizer.json') },
};

function kindOf(schema) {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(kindOf).join(' or ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : kindOf(schema.items)}`;
  if (schema.type === 'object') return schema.properties === undefined ? 'object' : `object of ${Object.keys(schema.properties).map((name) => `\`${name}\``).join(', ')}`;
  return Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'any');
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function optionRows(schema, path = '') {
  return Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const objects = [option, ...(option.anyOf ?? [])].filter((one) => one.properties !== undefined);
    const value = option.default === undefined ? '' : ` Default: ${JSON.stringify(option.default)}.`;
    return [`| \`${path}${name}\` | ${cell(kindOf(option))} | ${cell((option.description ?? '') + (option.description?.includes('Default') === true ? '' : value))} |`, ...objects.flatMap((one) => optionRows(one, `${path}${name}.`))];
  });
}

/** The page. */
export function tasksDocumentation() {
  const sections = [...tasks].sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ name, options }) => {
    const { what, takes, gives, found, folder: files } = prose[name];
    const rows = optionRows(z.toJSONSchema(options, { io: 'input' }));
    return [`## ${name}`, what, `Takes, as JSON or as a form with files:\n\n\`\`\`json\n${takes}\n\`\`\``, `Gives:\n\n\`\`\`json\n${gives}\n\`\`\``, `Found: ${found}`, `Files: ${files}.`, ...(rows.length === 0 ? ['It has no options.'] : [`| option | value | |\n| --- | --- | --- |\n${rows.join('\n')}`])].join('\n\n');
  });
  return `# Tasks

<!-- Written by \`node scripts/write-tasks-docs.mjs\` from src/tasks. -->

A model takes tensors. A task on top of it takes what people have (a picture, a text, a row) and gives what they want (labels, boxes, a text), at
\`POST /models/NAME/predict\` and on the page. Names are those of Hugging Face. Most tasks are found from the files of a model, and \`modelport inspect\` says why;
otherwise one line of model.yaml says it, \`task: image-classification\`, or with options:

\`\`\`yaml
task:
  name: image-classification
  topK: 3
\`\`\`

\`task: none\` leaves a model as it is. A folder as it is downloaded from Hugging Face is served as it is: \`modelport serve FOLDER\`.

Requests that wait for decoding hold at most 256 MiB together; beyond that the answer is 503 with Retry-After. Texts are cut at what the model takes, which the answer
says with \`"truncated": true\`; texts of more than a million characters are refused with 413.

Recordings are WAVE files, or what small packages of their own decode, which whoever wants them installs beside Modelport (1.5 MB in all; where one is missing the
answer is 501 with the line to type): \`mpg123-decoder\` for MP3, \`opus-decoder\` for Opus in Ogg and WebM, which is what browsers record,
\`@wasm-audio-decoders/flac\` for FLAC, \`@wasm-audio-decoders/ogg-vorbis\` for Vorbis.

${sections.join('\n\n')}
`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = join(import.meta.dirname, '..', 'docs/tasks.md');
  if (process.argv.includes('--check')) {
    if (readFileSync(path, 'utf8') !== tasksDocumentation()) {
      console.error('docs/tasks.md is not what the tasks say: run node scripts/write-tasks-docs.mjs');
      process.exitCode = 1;
    }
  } else {
    writeFileSync(path, tasksDocumentation());
    console.log('wrote docs/tasks.md');
  }
}
