/** Kinds of characters, as the Rust library `tokenizers` knows them. One character each. */

export const whiteSpace = /\p{White_Space}/u;
/** `\w` of Rust's regular expressions. */
export const wordCharacter = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]/u;
export const nonspacingMark = /\p{Mn}/u;
export const mark = /\p{M}/u;
export const numeric = /\p{N}/u;
export const punctuation = /[\p{P}$+<=>^`|~]/u;
/** Control, format, private and unassigned characters, but the white space that BERT's normalizer keeps. */
export const removedByBert = /[^\P{C}\t\n\r]|\ufffd/u;
export const chineseCharacter = /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/u;
