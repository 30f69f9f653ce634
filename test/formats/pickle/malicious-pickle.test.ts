/** Pickles that would do harm in Python are refused by name, and cost neither time nor memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isModelportError } from '../../../src/errors.ts';
import { numpyClasses } from '../../../src/formats/numpy/numpy-classes.ts';
import { constructor, firstOf, pickleClasses } from '../../../src/formats/pickle/pickle-class.ts';
import { readPickle } from '../../../src/formats/pickle/read-pickle.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import { fixture, refusal, sklearnClasses } from './describe-pickle.ts';

const read = (text: string | Buffer, limits = {}) => readPickle(typeof text === 'string' ? Buffer.from(text, 'latin1') : text, { classes: sklearnClasses, limits });

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-pickle-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('code', () => {
  test.each([
    ['os.system', (path: string) => `cos\nsystem\n(S'touch ${path}'\ntR.`, 'os.system'],
    ['posix.system, protocol 4', (path: string) => `\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c${String.fromCharCode(path.length + 6)}touch ${path}\x85R.`, 'posix.system'],
    ['builtins.eval', () => "cbuiltins\neval\n(S'1+1'\ntR.", 'builtins.eval'],
    ['Python 2 eval', () => "c__builtin__\neval\n(S'1+1'\ntR.", 'builtins.eval'],
    ['exec', () => "cbuiltins\nexec\n(S'import os'\ntR.", 'builtins.exec'],
    ['__import__', () => "cbuiltins\n__import__\n(S'os'\ntR.", 'builtins.__import__'],
    ['getattr chains', () => "cbuiltins\ngetattr\n(cbuiltins\nobject\nS'__subclasses__'\ntR)R.", 'builtins.getattr'],
    ['a dotted name', () => '\x80\x04\x8c\x08builtins\x8c\x15object.__subclasses__\x93)R.', 'builtins.object.__subclasses__'],
    ['a dotted name into NumPy', () => '\x80\x04\x8c\x05numpy\x8c\x1cndarray.__init__.__globals__\x93.', 'numpy.ndarray.__init__.__globals__'],
    ['subprocess by INST', () => "(S'id'\nisubprocess\nPopen\n.", 'subprocess.Popen'],
    ['a module by OBJ', () => "(cnt\nsystem\nS'id'\no.", 'nt.system'],
    ['numpy.load', () => "cnumpy\nload\n(S'x.npy'\ntR.", 'numpy.load'],
    ['numpy.testing runstring', () => "cnumpy.testing._private.utils\nrunstring\n(S'x'\n}tR.", 'numpy.testing._private.utils.runstring'],
    ['copyreg.add_extension', () => "ccopyreg\nadd_extension\n(S'os'\nS'system'\nI1\ntR.", 'copyreg.add_extension'],
    ['copyreg.__newobj__', () => 'ccopyreg\n__newobj__\n(cbuiltins\nobject\ntR.', 'copyreg.__newobj__'],
    ['an extension code', () => '\x80\x02\x82\x01.', 'number 1 of Python'],
    ['operator.attrgetter', () => "coperator\nattrgetter\n(S'a'\ntR.", 'operator.attrgetter'],
    ['pickle in a pickle', () => "c_pickle\nloads\n(S'x'\ntR.", '_pickle.loads'],
    ['a JavaScript global', () => 'cglobalThis\nprocess\n.', 'globalThis.process'],
    ['the prototype', () => 'cconstructor\nconstructor\n.', 'constructor.constructor'],
    ['control characters in a name', () => 'cevil\x1b[31m\nx\n.', String.raw`evil\u001b[31m.x`],
  ])('%s', (_, pickle, named) => {
    const path = join(folder, 'ran');
    expect(refusal(() => read(pickle(path)))).toContain(named);
    expect(existsSync(path)).toBe(false);
  });

  test.each([
    ['a type that stands as a value is not called', "cbuiltins\nint\n(S'1'\ntR.", /builtins\.int is called; it may stand there as a value only/],
    ['a value is not called', 'I1\n)R.', /an int is called; nothing in a pickle is run/],
    ['an object is not called', 'cfunctools\npartial\n)R)R.', /a functools\.partial is called/],
    ['a reconstructed class is looked at too', "ccopyreg\n_reconstructor\n(S'os.system'\ncbuiltins\nobject\nNtR.", /without a class/],
    ['arguments that are no tuple', 'cbuiltins\nset\n]R.', /arguments are a list/],
    ['an ndarray of another class', 'cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nobject\n(I0\ntC\x01btR.', /an array of the type the class or function builtins\.object/],
    ["a prototype's members as keys are only keys", "(dS'__proto__'\nI1\nsS'constructor'\nI2\ns)b.", /a state is given to a dict/],
  ])('%s', (_, pickle, message) => {
    expect(refusal(() => read(pickle))).toMatch(message);
  });

  test('a constructor gets arguments and nothing else', () => {
    const calls: unknown[] = [];
    const classes = firstOf(numpyClasses, pickleClasses({ 'm.f': constructor(({ args }) => calls.push(args)) }));
    expect(readPickle(Buffer.from('cm\nf\n(I1\ntR.'), { classes })).toBe(1);
    expect(calls).toEqual([[1]]);
  });
});

describe('bombs', () => {
  test('billion laughs: lists of one list ten times', () => {
    let pickle = '\x80\x02]q\0(X\x03\0\0\0lole';
    for (let level = 1; level < 30; level++) pickle += `]q${String.fromCharCode(level)}(${`h${String.fromCharCode(level - 1)}`.repeat(10)}e`;
    expect(refusal(() => read(`${pickle}.`))).toMatch(/stands for more than 1000000000 values, which is refused/);
  });

  test('as tuples, dicts and objects', () => {
    const level = (inner: number, make: string): string => make.replaceAll('@', `h${String.fromCharCode(inner)}`);
    for (const make of ['@@@\x87', '}(K\x01@K\x02@K\x03@u', 'cbuiltins\nobject\n)\x81(@@@tb']) {
      let pickle = '\x80\x02]q\0';
      for (let depth = 1; depth < 200; depth++) pickle += `${level(depth - 1, make)}q${String.fromCharCode(depth)}`;
      expect(refusal(() => read(`${pickle}.`))).toMatch(/refers to itself so often/);
    }
  });

  test('deep nesting', () => {
    expect(refusal(() => read(Buffer.from(`${']'.repeat(50_000)}${'a'.repeat(49_999)}.`)))).toMatch(/nested more than 2000 deep/);
    expect(refusal(() => read(Buffer.from(`)${'\x85'.repeat(50_000)}.`, 'latin1')))).toMatch(/nested more than 2000 deep/);
    expect(refusal(() => read(Buffer.from(`${'('.repeat(50_000)}${'t'.repeat(50_000)}.`)))).toMatch(/nested more than 2000 deep/);
    // A chain through states, which Python's own writer can make without recursion.
    expect(refusal(() => read(`N${'q\0cbuiltins\nobject\n)\x81h\0b'.repeat(20_000)}.`))).toMatch(/nested more than 2000 deep/);
  });

  test('copies of one large text by constructors', () => {
    const large = `X\0\0\x10\0${'x'.repeat(2 ** 20)}q\0`;
    const copy = "0c_codecs\nencode\nh\0X\x06\0\0\0latin1\x86R";
    expect(refusal(() => read(`\x80\x02${large}${copy.repeat(2000)}.`, { maxMemoryBytes: 2 ** 26 }))).toMatch(/bytes of memory, which is refused/);
  });

  test('copies of one large list', () => {
    const list = `]q\0(${'N'.repeat(100_000)}e`;
    expect(refusal(() => read(`\x80\x02${list}${'0cbuiltins\nset\nh\0\x85R'.repeat(20_000)}.`, { maxMemoryBytes: 2 ** 26 }))).toMatch(/bytes of memory, which is refused/);
  });

  test('many dicts', () => {
    expect(refusal(() => read(`(${'}'.repeat(1_000_000)}l.`, { maxMemoryBytes: 10_000_000 }))).toMatch(/10000000 bytes of memory/);
    expect(refusal(() => read(`(${'N'.repeat(1000)}l.`, { maxObjects: 100 }))).toMatch(/more than 100 opcodes/);
  });

  test.each([
    ['a length beyond the file', '\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.', /bytes are wanted, but the file ends after/],
    ['a frame beyond the file', '\x80\x04\x95\xff\xff\xff\0\0\0\0\0.', /a frame of/],
    ['an int of many bytes', '\x80\x02\x8b\xff\xff\xff\x7f.', /bytes of memory, which is refused/],
    ['an int of many digits', `I${'9'.repeat(20_000)}\n.`, /more than 10000 digits/],
    ['a place far away in the memo', '\x80\x02Nr\xff\xff\xff\xffj\xfe\xff\xff\xff.', /the memo has nothing under 4294967294/],
    ['bytearray(10**12)', 'cbuiltins\nbytearray\n(I1000000000000\ntR.', /bytearray is called with an int/],
    ['an array of a shape without data', 'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n(I1000000000000\ntcnumpy\ndtype\n(S\'f8\'\nI0\nI1\ntRI00\nC\0tb.', /has 8000000000000 bytes, but there are 0/],
    ['elements of no size', 'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntC\x01btR(I1\n(I1000000000000\ntcnumpy\ndtype\n(S\'S0\'\nI0\nI1\ntRI00\nC\0tb.', /elements of no size/],
    ['an empty file', '', /ends without a STOP/],
    ['no STOP', 'N', /ends without a STOP/],
    ['an empty stack', '.', /empty stack/],
    ['below the mark', 'N(.', /empty stack/],
    ['no mark', 'Nt.', /no mark/],
    ['protocol 6', '\x80\x06N.', /protocol 6; protocols 0 to 5 are read/],
    ['other bytes', 'hello', /the memo|no opcode/],
    ['text that is not UTF-8', '\x80\x04\x8c\x02\xff\xfe.', /not UTF-8/],
    ['an append to a tuple', ')Na.', /appended to a tuple/],
    ['an item of a list', ']NNs.', /entries are set on a list/],
  ])('%s', (_, pickle, message) => {
    expect(refusal(() => read(pickle))).toMatch(message);
  });
});

describe('fuzz', () => {
  const seeds = ['arrays-5.pkl', 'labels-4.pkl', 'means-5.pkl', 'support-vectors-4.pkl', 'pipeline-2.pkl', 'pipeline-5.pkl', 'tree-3.pkl', 'histogram-boosting-2.pkl', 'text-3.pkl', 'columns-3.pkl'].map(fixture);

  test('fuzz: changed pickles are read or refused', () => {
    const source = random(4);
    let refused = 0;
    for (let run = 0; run < fuzzRuns; run++) {
      const bytes = mutate(source.pick(seeds), source);
      try {
        read(Buffer.from(bytes), { maxMemoryBytes: 2 ** 26 });
      } catch (error) {
        if (!isModelportError(error)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(fuzzRuns / 4);
  });

  test('fuzz: random opcodes', () => {
    const source = random(5);
    const opcodes = Buffer.from('(.012FIJKLMNPQRSTUVXabcd}eghijl]opqr)tsu\x80\x81\x82\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98GBC', 'latin1');
    const globals = ['cnumpy\ndtype\n', 'cnumpy.core.multiarray\n_reconstruct\n', 'cnumpy.core.multiarray\nscalar\n', 'cnumpy.core.numeric\n_frombuffer\n', 'cbuiltins\nset\n', 'ccollections\nOrderedDict\n', 'c_codecs\nencode\n', 'cnumpy\nndarray\n', 'ccopyreg\n_reconstructor\n', 'cbuiltins\nobject\n', "S'f8'\n", 'I3\n', '(I2\nI3\nt'];
    let refused = 0;
    for (let run = 0; run < fuzzRuns; run++) {
      const parts: Buffer[] = [];
      for (let length = source.integer(1, 40); length > 0; length--) {
        parts.push(source.integer(0, 3) === 0 ? Buffer.from(source.pick(globals)) : Buffer.from([source.integer(0, 4) === 0 ? source.integer(0, 255) : opcodes[source.integer(0, opcodes.length - 1)]!]));
      }
      try {
        read(Buffer.concat([...parts, Buffer.from('.')]), { maxMemoryBytes: 2 ** 26 });
      } catch (error) {
        if (!isModelportError(error)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});
