export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const NEEDS_ESCAPE = /[~/]/;

/** RFC 6901: the pointer of a member or an element. */
export function childPointer(pointer: string, key: string | number): string {
  const name = String(key);
  return NEEDS_ESCAPE.test(name) ? `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}` : `${pointer}/${name}`;
}

/** Name of the first member of `object` that is not in `known`. */
export function findUnknownMember(object: JsonObject, known: readonly string[]): string | undefined {
  return Object.keys(object).find((key) => !known.includes(key));
}
