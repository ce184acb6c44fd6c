import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';
import { DciError } from './dci-error.ts';
import { type JsonText, NumberLiteral, type ReadJsonOptions, readJson } from './json-text.ts';

const SEARCH = JSON.stringify({
  signature: 'Signature: namespace="dci"',
  header: { version: '1.0.0', message_id: 'm-1', message_ts: '2026-11-22T10:00:00Z', action: 'search', sender_id: 'spmis', total_count: 1 },
  message: {
    transaction_id: 't-1',
    search_request: [
      {
        reference_id: 'r-1',
        timestamp: '2026-11-22T10:00:00Z',
        locale: 'eng',
        search_criteria: {
          query_type: 'idtype-value',
          query: { type: 'UIN', value: 'Zoë "\u{1f600}" \\ \n' },
          flags: [true, false, null, -1.5e-3, 0],
        },
      },
    ],
  },
});

function refusalOf(json: Uint8Array | string, options?: ReadJsonOptions): DciError {
  try {
    readJson(json, options);
  } catch (error) {
    expect(error).toBeInstanceOf(DciError);
    expect((error as DciError).code).toBe('err.request.bad');
    return error as DciError;
  }
  throw new Error(`was read: ${json.slice(0, 80)}`);
}

/** What is read must be what JSON.parse reads; anything else must be refused by code. */
function readOrRefusal(json: Uint8Array | string): JsonText | undefined {
  try {
    return readJson(json);
  } catch (error) {
    if (error instanceof DciError && error.code === 'err.request.bad') return undefined;
    throw error;
  }
}

describe('what is JSON', () => {
  it('is read as JSON.parse reads it', () => {
    const numbers = fc.oneof(
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true, maxExcluded: true, max: 1e15, min: -1e15 }),
    );
    const strings = fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed() && !text.includes('\0') && text !== '__proto__');
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        strings,
        numbers,
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('tree')),
        fc.dictionary(strings, tie('tree')),
      ),
    }));
    fc.assert(
      fc.property(tree, fc.constantFrom('', ' ', '\n\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(readJson(text).value).toEqual(JSON.parse(text));
        expect(readJson(Buffer.from(text)).value).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the raw texts of the top-level members in the order of the text', () => {
    const { members, text } = readJson(' {"message" : { "n": 1.0 ,"s":"\\u0041"} , "he\\u0061der":[ ]\n}');
    expect([...members]).toEqual([
      ['message', '{ "n": 1.0 ,"s":"\\u0041"}'],
      ['header', '[ ]'],
    ]);
    expect(text).toContain('1.0');
    expect(readJson('[{"a":1}]').members.size).toBe(0);
  });

  it('takes numbers to the edge of what a double holds', () => {
    const text = '[9007199254740991,-9007199254740991,1.7976931348623157e308,5e-324,-0,0.1,1E+2,12.50]';
    expect(readJson(text).value).toEqual(JSON.parse(text));
  });

  it('keeps numbers as written when asked', () => {
    const { value } = readJson('[1.0,2]', { keepNumberLiterals: true });
    expect(value).toEqual([new NumberLiteral('1.0'), new NumberLiteral('2')]);
  });

  it('takes names of Object.prototype as names like others', () => {
    const { value } = readJson('{"constructor":{"prototype":{"polluted":1}},"toString":2,"hasOwnProperty":3}');
    expect(Object.entries(value as object)).toEqual([
      ['constructor', { prototype: { polluted: 1 } }],
      ['toString', 2],
      ['hasOwnProperty', 3],
    ]);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('what is refused', () => {
  it.each([
    ['nothing', ''],
    ['space only', ' \n'],
    ['two values', '{} {}'],
    ['a comma at the end of an object', '{"a":1,}'],
    ['a comma at the end of a list', '[1,]'],
    ['a comma at the beginning', '[,1]'],
    ['a missing comma', '[1 2]'],
    ['a missing colon', '{"a" 1}'],
    ['a name without quotes', '{a:1}'],
    ['single quotes', "{'a':1}"],
    ['a comment', '{/**/"a":1}'],
    ['NaN', '[NaN]'],
    ['Infinity', '[-Infinity]'],
    ['a word that only begins well', '[nul]'],
    ['a plus sign', '[+1]'],
    ['a leading zero', '[01]'],
    ['a leading zero after a sign', '[-01]'],
    ['a point without digits', '[1.]'],
    ['a point without a beginning', '[.5]'],
    ['an exponent without digits', '[1e]'],
    ['an exponent with a sign only', '[1e+]'],
    ['a hexadecimal number', '[0x10]'],
    ['a minus sign alone', '[-]'],
    ['a line break in a string', '["a\nb"]'],
    ['an unknown escape', '["\\x41"]'],
    ['half an escape', '["\\u00"]'],
    ['a non-breaking space between values', '[1,\u00a02]'],
    ['a byte order mark', '\ufeff{}'],
    ['an unfinished string', '{"a'],
    ['an escaped quote at the end', '"\\"'],
  ])('%s', (_name, text) => {
    refusalOf(text);
    refusalOf(Buffer.from(text));
  });

  it.each([
    ['a raw NUL', '["a\0b"]'],
    ['an escaped NUL', '["a\\u0000b"]'],
    ['an escaped NUL in a name', '{"a\\u0000b":1}'],
    ['a lone high surrogate', '["\\ud83d"]'],
    ['a lone low surrogate', '["\\ude00"]'],
    ['surrogates the wrong way round', '["\\ude00\\ud83d"]'],
    ['a raw lone surrogate', '["\ud83d"]'],
    ['an escaped half before a raw half', '["\\ud83d\ude00"]'],
  ])('%s, which not every reader takes alike', (_name, text) => {
    refusalOf(text);
  });

  it.each([
    ['a stray continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['a character beyond U+10FFFF', [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22]],
    ['half a character', [0x22, 0xe2, 0x82]],
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b, 0x7d]],
    ['UTF-16', [0x7b, 0x00, 0x7d, 0x00]],
  ])('bytes that are %s', (_name, bytes) => {
    refusalOf(Uint8Array.from(bytes));
  });

  it.each(['1e999', '-1e999', '9007199254740992', '-9007199254740992', '1'.repeat(400)])(
    'the number %s, with what to do instead',
    (number) => {
      const error = refusalOf(`{"message":{"value":${number}}}`);
      expect(error.message).toContain('as a string');
      expect(error.pointer).toBe('/message/value');
    },
  );

  it('a repeated member, however it is written', () => {
    expect(refusalOf('{"header":{"a":1,"b":2,"a":1}}').pointer).toBe('/header/a');
    expect(refusalOf('{"a":1,"\\u0061":2}').pointer).toBe('/a');
    expect(refusalOf('[{"constructor":1,"constructor":1}]').pointer).toBe('/0/constructor');
  });

  it('a member named __proto__', () => {
    expect(refusalOf('{"a":{"__proto__":{"admin":true}}}').message).toContain('__proto__');
    expect(refusalOf('{"a":{"__pr\\u006fto__":1}}').message).toContain('__proto__');
  });

  it('nesting beyond the limit, at any length', () => {
    expect(readJson('['.repeat(32) + ']'.repeat(32)).value).toEqual(JSON.parse('['.repeat(32) + ']'.repeat(32)));
    expect(refusalOf('['.repeat(33) + ']'.repeat(33)).message).toContain('32');
    refusalOf('{"a":'.repeat(1_000_000));
    expect(refusalOf('[[[]]]', { maxDepth: 2 }).pointer).toBe('/0/0');
  });

  it('by a pointer in the form of RFC 6901, without sending long names back', () => {
    expect(refusalOf('{"a/b":{"m~n":[0,{"x":01}]}}').pointer).toBe('/a~1b/m~0n/1/x');
    expect(refusalOf(`{"a":{"${'x'.repeat(1000)}":01}}`).pointer).toBe('/a');
  });
});

describe('a canonical text', () => {
  it('is known where canonicalJson writes the same', () => {
    const values = fc.jsonValue({ maxDepth: 4 });
    const spacings = fc.constantFrom(undefined, ' ', '\n');
    const seen = { canonical: 0, other: 0 };
    fc.assert(
      fc.property(values, spacings, fc.boolean(), (value, spacing, isSorted) => {
        const text = isSorted && spacing === undefined ? canonicalJson(value) : JSON.stringify(value, undefined, spacing);
        let read: JsonText;
        try {
          read = readJson(text);
        } catch (error) {
          // A number that no sender can rely on, or a name that is not read.
          expect(error).toBeInstanceOf(DciError);
          return;
        }
        expect(read.isCanonical).toBe(text === canonicalJson(read.value));
        seen[read.isCanonical ? 'canonical' : 'other'] += 1;
      }),
      { seed: 20240115, numRuns: 5_000 },
    );
    expect(seen.canonical).toBeGreaterThan(1_000);
    expect(seen.other).toBeGreaterThan(1_000);
  });

  it.each([
    ['{"a":1,"b":[true,null,"\u{1f600}"]}', true],
    ['{}', true],
    ['{"b":1,"a":2}', false],
    ['{"a": 1}', false],
    ['{"a":1} ', false],
    ['{"a":1.0}', false],
    ['{"a":-0}', false],
    ['{"a":1e2}', false],
    ['{"a":"\\u0041"}', false],
    ['{"a":"\\u000a"}', false],
    ['{"a":"\\/"}', false],
    ['{"a":"\\n\\"\\u0001"}', true],
  ])('%s: %s', (text, isCanonical) => {
    expect(readJson(text).isCanonical).toBe(isCanonical);
  });
});

describe('repeated members that are kept', () => {
  const keepRepeated = new Set(['condition']);

  it('become one list in the order of the text', () => {
    const { value, hasRepeated } = readJson('{"q":{"condition":"and","e":1,"condition":["or"],"condition":"not"}}', { keepRepeated });
    expect(value).toEqual({ q: { condition: ['and', ['or'], 'not'], e: 1 } });
    expect(hasRepeated).toBe(true);
  });

  it('stay what they are when they stand once', () => {
    const { value, hasRepeated } = readJson('{"q":[{"condition":["and"]},{"condition":"or"}]}', { keepRepeated });
    expect(value).toEqual({ q: [{ condition: ['and'] }, { condition: 'or' }] });
    expect(hasRepeated).toBe(false);
  });

  it('are refused under other names, at the top level, and without being asked for', () => {
    refusalOf('{"q":{"header":1,"header":2}}', { keepRepeated });
    refusalOf('{"condition":1,"condition":2}', { keepRepeated });
    refusalOf('{"q":{"condition":1,"condition":2}}');
  });
});

describe('damaged messages', () => {
  it('are refused at every truncation', () => {
    for (let length = 0; length < SEARCH.length; length += 1) refusalOf(SEARCH.slice(0, length));
    const bytes = Buffer.from(SEARCH);
    for (let length = 0; length < bytes.length; length += 1) refusalOf(bytes.subarray(0, length));
  });

  it('are read as JSON.parse reads them, or refused', () => {
    const bytes = Buffer.from(SEARCH);
    const mutation = fc.record({
      at: fc.nat(bytes.length - 1),
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\{}[],:0123eE+-. \0'))),
      kind: fc.constantFrom('replace', 'insert', 'delete', 'double'),
    });
    let read = 0;
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let damaged: Buffer = bytes;
        for (const { at, byte, kind } of mutations) {
          const kept = damaged.subarray(kind === 'insert' || kind === 'double' ? at : at + 1);
          const inserted = kind === 'delete' ? [] : kind === 'double' ? damaged.subarray(at, at + 20) : [byte];
          damaged = Buffer.concat([damaged.subarray(0, at), Buffer.from(inserted), kept]);
        }
        const result = readOrRefusal(damaged);
        if (result === undefined) return;
        read += 1;
        expect(result.value).toEqual(JSON.parse(damaged.toString()));
      }),
      { numRuns: 5000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  it('never break the reader, whatever the bytes', () => {
    const soup = fc
      .array(
        fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          '"',
          ':',
          ',',
          '\\',
          'u',
          'd83d',
          'true',
          'null',
          '1',
          '-',
          '.',
          'e',
          ' ',
          '"a"',
          'é',
          '\u{1f600}',
        ),
      )
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(soup, fc.string({ unit: 'binary' })), (text) => {
        const result = readOrRefusal(text);
        if (result !== undefined) expect(result.value).toEqual(JSON.parse(text));
      }),
      { numRuns: 5000 },
    );
  });
});

it('reads wide, long and much escaped texts of megabytes', () => {
  const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`name-${index}`, '\n\u{1f600}'.repeat(10)]));
  expect(readJson(JSON.stringify(wide)).value).toEqual(wide);
  const repeated = `{"q":{${Array.from({ length: 50_000 }, () => '"condition":1').join(',')}}}`;
  expect(readJson(repeated, { keepRepeated: new Set(['condition']) }).value).toEqual({
    q: { condition: Array.from({ length: 50_000 }, () => 1) },
  });
});
