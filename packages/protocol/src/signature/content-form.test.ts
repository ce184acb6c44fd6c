import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../canonical.ts';
import { type JsonText, readJson } from '../json-text.ts';
import { contentCandidates, DIGEST_FORMS, writeInForm } from './content-form.ts';

const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('skipped: forms of content against Python, there is no python3');

describe('writeInForm', () => {
  const canonical = canonicalJson({ name: 'Zoë 😀', score: 1e-7, large: 1e21, order: { '\uffff': 1, '😀': 2 } });

  it.each([
    ['jcs', canonical],
    ['received', canonical],
    ['sorted', '{"large":1e+21,"name":"Zoë 😀","order":{"\uffff":1,"😀":2},"score":1e-07}'],
    ['sorted-ascii', String.raw`{"large":1e+21,"name":"Zo\u00eb \ud83d\ude00","order":{"\uffff":1,"\ud83d\ude00":2},"score":1e-07}`],
  ] as const)('writes %s', (form, expected) => {
    expect(writeInForm(canonical, form)).toBe(expected);
  });

  it('writes no number that stands in a text', () => {
    expect(writeInForm('{"a":"1e-7 and \\"0.00001","b":0.00001}', 'sorted')).toBe('{"a":"1e-7 and \\"0.00001","b":1e-05}');
  });

  const PYTHON = `
import json, sys
for line in sys.stdin:
    value = json.loads(line)
    print(json.dumps([json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=ascii) for ascii in (False, True)]))`;

  it.skipIf(!hasPython)('writes what Python makes of the canonical text', () => {
    const numbers = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.double({ min: -1e-3, max: 1e-3, noNaN: true }));
    const strings = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\uffff', '\ue000', '😀', '\u007f'),
    );
    const values = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, numbers, strings, fc.boolean(), fc.constant(null), tie('list'), tie('object')),
      list: fc.array(tie('value'), { maxLength: 5 }),
      object: fc.dictionary(strings, tie('value'), { maxKeys: 5 }),
    })).value;
    const texts = fc.sample(values, { numRuns: 2000, seed: 7 }).map((value) => canonicalJson(value));
    const { stdout, stderr, status } = spawnSync('python3', ['-c', PYTHON], { input: texts.join('\n'), maxBuffer: 1 << 26 });
    expect({ stderr: stderr.toString(), status }).toEqual({ stderr: '', status: 0 });
    const written = stdout
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, string]);
    expect(texts.map((text) => [writeInForm(text, 'sorted'), writeInForm(text, 'sorted-ascii')])).toEqual(written);
  });
});

function textsOf(received: JsonText): string[] {
  return [...contentCandidates(received, undefined)].flatMap((step) => (step === 'pause' ? [] : [step.text]));
}

describe('contentCandidates', () => {
  it('finds what was written in each form in the canonical message', () => {
    const content = canonicalJson({ header: { name: 'Zoë', score: 0.00002 }, message: { '\uffff': 1, '😀': 2 } });
    const received = readJson(writeInForm(content, 'sorted'));
    for (const form of DIGEST_FORMS) expect(textsOf(received)).toContain(form === 'received' ? received.text : writeInForm(content, form));
  });

  it('pause before each text of a large message is read or written, and never in a small one', () => {
    const steps = (text: string): string =>
      [...contentCandidates(readJson(text), undefined)].map((step) => (step === 'pause' ? step : step.form)).join(' ');
    expect(steps('{"message": {"name":"Zoë"},"header":{}}')).toBe('jcs sorted-ascii received');
    // Between `jcs` and `sorted-ascii`: numbers are read as they are written, and `sorted` is written, which is `jcs` here.
    expect(steps(`{"message": {"name":"${'Zoë'.repeat(30_000)}"},"header":{}}`)).toBe(
      'pause jcs pause pause pause sorted-ascii pause received',
    );
  });
});
