/** Tokens of one text or of a pair of texts, column by column. */
export interface Encoding {
  readonly ids: number[];
  /** 0 for the first text, 1 for the second, as the model was trained (RoBERTa: always 0). */
  readonly typeIds: number[];
  /** Where each token begins and ends in its own text, in UTF-16 units; 0 and 0 for tokens that stand for no text. */
  readonly starts: number[];
  readonly ends: number[];
  /** Which text a token is of: 0 or 1, -1 for tokens that were put around them. */
  readonly sequences: number[];
  /** Which word of its text a token is a part of, -1 for none. */
  readonly words: number[];
}

export function emptyEncoding(): Encoding {
  return { ids: [], typeIds: [], starts: [], ends: [], sequences: [], words: [] };
}

export function sliceEncoding(encoding: Encoding, from: number, to: number): Encoding {
  return {
    ids: encoding.ids.slice(from, to),
    typeIds: encoding.typeIds.slice(from, to),
    starts: encoding.starts.slice(from, to),
    ends: encoding.ends.slice(from, to),
    sequences: encoding.sequences.slice(from, to),
    words: encoding.words.slice(from, to),
  };
}

export function joinEncodings(encodings: readonly Encoding[]): Encoding {
  if (encodings.length === 1) return encodings[0]!;
  return {
    ids: encodings.flatMap(({ ids }) => ids),
    typeIds: encodings.flatMap(({ typeIds }) => typeIds),
    starts: encodings.flatMap(({ starts }) => starts),
    ends: encodings.flatMap(({ ends }) => ends),
    sequences: encodings.flatMap(({ sequences }) => sequences),
    words: encodings.flatMap(({ words }) => words),
  };
}
