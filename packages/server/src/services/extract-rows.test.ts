import { expect, it } from 'vitest';
import type { DisclosedExtract, DisclosedRows } from '../disclosure/disclose-extract.ts';
import { createRowWriter } from './extract-rows.ts';

const columns = ['place', 'kind of "x"'].map((name) => ({ name, attribute: name, banding: 'as-it-is' }));
const rows = {
  rows: [
    { pseudonym: 'p1', values: ['a,b', null] },
    { pseudonym: 'p2', values: ['', 'say "hi"\r\n'] },
    { pseudonym: 'p3', values: [' é', '\\'] },
  ],
} as unknown as DisclosedRows;
const extract = { columns, hasPseudonyms: true } as unknown as DisclosedExtract;

it('writes one JSON object a line', () => {
  const { head, write } = createRowWriter('ndjson', extract);
  expect(head).toBe('');
  const lines = write(rows).split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { pseudonym: 'p1', place: 'a,b', 'kind of "x"': null },
    { pseudonym: 'p2', place: '', 'kind of "x"': 'say "hi"\r\n' },
    { pseudonym: 'p3', place: ' é', 'kind of "x"': '\\' },
  ]);
});

it('writes CSV, in which what is not stated is not an empty text', () => {
  const { head, write } = createRowWriter('csv', extract);
  expect(head).toBe('pseudonym,place,"kind of ""x"""\r\n');
  expect(write(rows)).toBe('p1,"a,b",\r\np2,"","say ""hi""\r\n"\r\np3," é",\\\r\n');
});

it('writes no column of pseudonyms where there are none', () => {
  const { head, write } = createRowWriter('csv', { ...extract, hasPseudonyms: false } as DisclosedExtract);
  expect(head).toBe('place,"kind of ""x"""\r\n');
  expect(write({ rows: [{ values: ['a', 'b'] }] } as unknown as DisclosedRows)).toBe('a,b\r\n');
});
