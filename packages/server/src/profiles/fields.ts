import Type, { type TSchema } from 'typebox';
import type { CodeList } from './code-lists.ts';
import type { Sensitivity } from './profile.ts';

/**
 * Builders of the fields that document schemas are made of. Beside JSON Schema they carry three annotations:
 * `sensitivity` (see `profile.ts`), `synonyms` (other spellings of an `enum`'s codes) and `precision: 'day'` (a date that
 * is written as midnight UTC, whatever its offset). `registry/document.ts` brings what it reads into these forms.
 */

/** The forms in which stored timestamps are written: UTC, `Z`, fractions only where there are any. */
const TIMESTAMP_LENGTH = 30;

export function text(sensitivity: Sensitivity, maxLength = 200): TSchema {
  return Type.String({ minLength: 1, maxLength, sensitivity });
}

export function code(sensitivity: Sensitivity, codes: CodeList): TSchema {
  return Type.Enum([...codes.values], { sensitivity, synonyms: codes.synonyms });
}

export function timestamp(sensitivity: Sensitivity): TSchema {
  return Type.String({ format: 'date-time', maxLength: TIMESTAMP_LENGTH, sensitivity });
}

/** A calendar date in the standard's DateTime form: `1985-05-20T00:00:00Z`. */
export function day(sensitivity: Sensitivity): TSchema {
  return Type.String({ format: 'date-time', maxLength: TIMESTAMP_LENGTH, precision: 'day', sensitivity });
}

export function yesNo(sensitivity: Sensitivity): TSchema {
  return Type.Boolean({ sensitivity });
}

export function decimal(sensitivity: Sensitivity, minimum: number, maximum: number): TSchema {
  return Type.Number({ minimum, maximum, sensitivity });
}

export function integer(sensitivity: Sensitivity, minimum: number, maximum: number): TSchema {
  return Type.Integer({ minimum, maximum, sensitivity });
}

export function list(items: TSchema, maxItems = 50): TSchema {
  return Type.Array(items, { maxItems });
}

/** The value of `@type`. */
export function entityName(name: string): TSchema {
  return Type.Literal(name, { sensitivity: 'public' });
}

/** An object that holds `required` and may hold `optional`, and nothing else. */
export function closed(required: Record<string, TSchema>, optional: Record<string, TSchema>): TSchema {
  const properties: Record<string, TSchema> = { ...required };
  for (const [name, schema] of Object.entries(optional)) properties[name] = Type.Optional(schema);
  return Type.Object(properties, { additionalProperties: false });
}

/** `additional_attributes`: a list of objects of key-value pairs, the one place where names are free. */
export function additionalAttributes(sensitivity: Sensitivity): TSchema {
  const value = Type.Union([Type.String({ maxLength: 2_000 }), Type.Number(), Type.Boolean()]);
  return Type.Array(Type.Record(Type.String(), value, { maxProperties: 50 }), { maxItems: 100, sensitivity });
}
