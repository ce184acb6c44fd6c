/** The small changes that lenient mode is made of. Each is noted by place and kind. */

export type JsonObject = Record<string, unknown>;

export interface Rewriting {
  readonly changes: string[];
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function replaceMember(rewriting: Rewriting, owner: JsonObject, name: string, at: string, value: unknown, kind: string): void {
  owner[name] = value;
  rewriting.changes.push(`${at}/${name}: ${kind}`);
}

/** Gives a member that is text the name that `rename` knows for it, if it knows one. */
export function renameMember(
  rewriting: Rewriting,
  owner: JsonObject,
  name: string,
  at: string,
  rename: (text: string) => string | undefined,
): void {
  const text = owner[name];
  const renamed = typeof text === 'string' ? rename(text) : undefined;
  if (renamed !== undefined && renamed !== text) replaceMember(rewriting, owner, name, at, renamed, 'read by synonym');
}

export function dropEmpty(rewriting: Rewriting, owner: JsonObject, at: string, names: readonly string[]): void {
  for (const name of names) {
    if (owner[name] !== '') continue;
    delete owner[name];
    rewriting.changes.push(`${at}/${name}: empty text read as absent`);
  }
}

export function readNumbers(rewriting: Rewriting, owner: JsonObject, at: string, names: readonly string[]): void {
  for (const name of names) {
    const text = owner[name];
    if (typeof text === 'string' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text))
      replaceMember(rewriting, owner, name, at, Number(text), 'text read as a number');
  }
}
