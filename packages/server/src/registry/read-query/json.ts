export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 6901: the pointer of a member or an element. */
export function childPointer(pointer: string, key: string | number): string {
  return `${pointer}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Name of the first member of `object` that is not in `known`. */
export function findUnknownMember(object: JsonObject, known: Iterable<string>): string | undefined {
  const names = new Set(known);
  return Object.keys(object).find((key) => !names.has(key));
}
