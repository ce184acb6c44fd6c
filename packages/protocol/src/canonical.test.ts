import { spawnSync } from 'node:child_process';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, sortedAsciiJson, sortedJson } from './canonical.ts';
import { readJson } from './json-text.ts';

const text = fc.string({ unit: 'binary' }).filter((value) => value.isWellFormed() && !value.includes('\0') && value !== '__proto__');
// Names that differ in how UTF-16 and code points order them.
const name = fc.oneof(
  text,
  fc.constantFrom('\ue000', '\uffff', '\u{1f600}', '\u{10000}', '\u{1f600}a', '\uffffa', 'a', 'A', '10', '9', ''),
);

function documents(number: fc.Arbitrary<number>): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, text, number, fc.boolean(), fc.constant(null), fc.array(tie('tree')), fc.dictionary(name, tie('tree'))),
  }))['tree'];
}

const anyNumber = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }));

describe('canonicalJson', () => {
  it('writes the example of RFC 8785', () => {
    const numbers = JSON.parse('[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001]');
    const value = { numbers, string: '\u20ac$\u000f\nA\'B"\\\\"/', literals: [null, true, false] };
    expect(canonicalJson(value)).toBe(
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
    );
  });

  it('sorts by UTF-16 code unit, as the example of RFC 8785 does', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, '\u00f6': 7 };
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"\u{1f600}":5,"\ufb33":3}');
  });

  it('writes what another implementation writes', () => {
    fc.assert(
      fc.property(documents(anyNumber), (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('is read back as the same value, and written the same again', () => {
    fc.assert(
      fc.property(documents(fc.maxSafeInteger()), (value) => {
        const written = canonicalJson(value);
        expect(canonicalJson(readJson(written).value)).toBe(written);
      }),
    );
  });

  it('leaves out what is undefined, as JSON does', () => {
    expect(canonicalJson({ a: undefined, b: 1, c: undefined })).toBe('{"b":1}');
    expect(canonicalJson({ a: undefined })).toBe('{}');
    expect(canonicalJson(-0)).toBe('0');
  });

  it.each([
    ['NaN', Number.NaN],
    ['an infinity', Number.NEGATIVE_INFINITY],
    ['a lone surrogate', 'a\ud800'],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['undefined in a list', [undefined]],
  ])('refuses %s', (_name, value) => {
    for (const write of [canonicalJson, sortedJson, sortedAsciiJson]) expect(() => write(value)).toThrow(TypeError);
  });
});

describe('sortedJson and sortedAsciiJson', () => {
  it('sort by code point', () => {
    expect(sortedJson({ '\u{1f600}': 1, '\uffff': 2, '\u{1f600}a': 3, '': 4 })).toBe('{"":4,"\uffff":2,"\u{1f600}":1,"\u{1f600}a":3}');
  });

  it('escape by UTF-16 code unit, in lower case', () => {
    expect(sortedAsciiJson({ é: 'ÿ\u{1f600}\u007f"\\\n' })).toBe(String.raw`{"\u00e9":"\u00ff\ud83d\ude00\u007f\"\\\n"}`);
  });

  it('write numbers as they were read when they were kept', () => {
    const { value } = readJson('{"b":1.0,"a":[1E5,10,-0.50]}', { keepNumberLiterals: true });
    expect(sortedJson(value)).toBe('{"a":[1E5,10,-0.50],"b":1.0}');
    expect(sortedAsciiJson(value)).toBe('{"a":[1E5,10,-0.50],"b":1.0}');
  });

  const python = spawnSync('python3', ['--version']);
  const skipped = python.error !== undefined || python.status !== 0;
  if (skipped) console.warn('skipped: comparison with json.dumps, there is no python3');

  it.skipIf(skipped)('write what Python writes', () => {
    const values = fc.sample(documents(fc.maxSafeInteger()), { numRuns: 500, seed: 20260101 });
    const [utf8, ascii] = pythonForms(values);
    expect(values.map(sortedJson)).toEqual(utf8);
    expect(values.map(sortedAsciiJson)).toEqual(ascii);
  });
});

/** Each value as json.dumps writes it, in UTF-8 and in ASCII. */
function pythonForms(values: readonly unknown[]): [string[], string[]] {
  const script = `
import json, sys
values = json.loads(sys.stdin.buffer.read())
forms = [[json.dumps(v, sort_keys=True, separators=(',', ':'), ensure_ascii=a) for v in values] for a in (False, True)]
sys.stdout.buffer.write(json.dumps(forms).encode())`;
  const { stdout, stderr, status } = spawnSync('python3', ['-c', script], { input: JSON.stringify(values), maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}
