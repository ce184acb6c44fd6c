import fc from 'fast-check';
import { Type } from 'typebox';
import { describe, expect, it } from 'vitest';
import { DciError } from './dci-error.ts';
import { type Parser, compileParser } from './message-parser.ts';

function refusalBy(parse: Parser<unknown>, value: unknown): DciError {
  try {
    parse(value);
  } catch (error) {
    if (error instanceof DciError) return error;
    throw error;
  }
  throw new Error('the value was accepted');
}

describe('a refusal', () => {
  const Row = Type.Object({ 'a/b~c': Type.Integer({ minimum: 1 }), kind: Type.Optional(Type.Enum(['x', 'y'])) });
  const parse = compileParser(Type.Object({ rows: Type.Union([Type.Object({ only: Type.String() }), Type.Array(Row)]) }), '/message');

  it.each([
    [[], '/message', 'message must be an object'],
    [{}, '/message/rows', 'rows is missing'],
    [{ rows: 1 }, '/message/rows', 'rows must match a schema in anyOf'],
    [{ rows: [{}] }, '/message/rows/0/a~1b~0c', 'a~1b~0c is missing'],
    [{ rows: [{ 'a/b~c': 1 }, { 'a/b~c': 0 }] }, '/message/rows/1/a~1b~0c', 'a~1b~0c must be >= 1'],
    [{ rows: [{ 'a/b~c': 1, kind: 'z' }] }, '/message/rows/0/kind', 'kind must be one of x, y'],
    [{ rows: [7] }, '/message/rows/0', 'rows[0] must be an object'],
    [{ rows: { only: 7 } }, '/message/rows/only', 'only must be a string'],
  ])('of %j points at %s', (value, pointer, message) => {
    expect(refusalBy(parse, value)).toMatchObject({ code: 'err.request.bad', pointer, message });
  });

  it('never repeats what was received', () => {
    const secret = 'p4ssw0rd-of-somebody';
    const parseTyped = compileParser(
      Type.Object({ a: Type.Integer(), b: Type.String({ pattern: '^[a-z]{3}$' }), c: Type.Enum(['x']) }),
      '',
    );
    const anything = fc.oneof(fc.constant(secret), fc.constant([secret]), fc.constant({ [secret]: secret }), fc.constant(undefined));
    fc.assert(
      fc.property(fc.record({ a: anything, b: anything, c: anything }), (value) => {
        expect(refusalBy(parseTyped, value).message).not.toContain(secret);
      }),
      { seed: 20240115, numRuns: 200 },
    );
  });
});
