import { Ajv, type ErrorObject } from 'ajv';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import type { Static, TSchema } from 'typebox';
import { DciError } from './dci-error.ts';
import { timestampMillis } from './formats.ts';

/**
 * Turns a schema into a function that either returns the value with its type or says, by code and JSON pointer, what
 * is wrong with it. The first fault is told, in words that never repeat what was received.
 */

const ajv = new Ajv({ strict: true, verbose: true, validateFormats: true });
ajv.addFormat('date-time', { type: 'string', validate: (text: string) => timestampMillis(text) !== undefined });
ajv.addFormat('uri', fullFormats.uri);

/**
 * Reads an unknown value as `T` or throws `err.request.bad` with the pointer of the fault.
 *
 * @example
 * const parse: Parser<{ id: string }> = compileParser(Type.Object({ id: Type.String() }), '');
 */
export type Parser<T> = (value: unknown) => T;

/**
 * Compiles a schema once.
 *
 * @param root JSON pointer of the value in the whole message: `/message` for a message, '' for an envelope
 *
 * @example
 * const { id } = compileParser(Type.Object({ id: Type.String() }), '')({ id: '1' });
 */
export function compileParser<S extends TSchema>(schema: S, root: string): Parser<Static<S>> {
  const validate = ajv.compile<Static<S>>(schema);
  return (value) => {
    if (validate(value)) return value;
    throw refusal(validate.errors ?? [], root);
  };
}

function refusal(errors: readonly ErrorObject[], root: string): DciError {
  const fault = deepest(errors);
  if (fault === undefined) return new DciError('err.request.bad', 'the message does not fit its schema', { pointer: root });
  const missing = fault.keyword === 'required' ? `/${escapeSegment(String(fault.params['missingProperty']))}` : '';
  const pointer = root + fault.instancePath + missing;
  return new DciError('err.request.bad', `${placeName(pointer)} ${expectation(fault)}`, { pointer });
}

/** The member's own name, or its place in its list. */
function placeName(pointer: string): string {
  const segments = pointer.split('/').slice(1);
  const last = segments.at(-1) ?? 'the message';
  return /^\d+$/.test(last) ? `${segments.at(-2) ?? 'list'}[${last}]` : last;
}

/** Of the faults of a union, the one furthest inside belongs to the branch that was meant; the last is the union's own. */
function deepest(errors: readonly ErrorObject[]): ErrorObject | undefined {
  let found: ErrorObject | undefined;
  for (const error of errors) if (found === undefined || depth(error) >= depth(found)) found = error;
  return found;
}

function depth(error: ErrorObject): number {
  return error.instancePath.split('/').length + (error.keyword === 'required' ? 1 : 0);
}

function expectation(fault: ErrorObject): string {
  if (fault.keyword === 'required') return 'is missing';
  const schema = fault.parentSchema ?? {};
  if (typeof schema['description'] === 'string') return `must be ${schema['description']}`;
  if (fault.keyword === 'enum') return `must be one of ${(schema['enum'] as readonly unknown[]).join(', ')}`;
  if (fault.keyword === 'type') return `must be ${article(String(fault.params['type']))}`;
  return fault.message ?? 'does not fit its schema';
}

function article(type: string): string {
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function escapeSegment(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
