import { createHash } from 'node:crypto';
import { canonicalJson } from '@dci/protocol';
import { getAttribute } from '../../profiles/index.ts';
import type { RecordType } from '../../profiles/profile.ts';

/** How kept counts are called: a cube by its dimensions, all that is kept of a record type by how it is declared. */
export function nameCube(cube: readonly string[]): string {
  return cube.join(' ');
}

const described = new WeakMap<RecordType, string>();

/** A text that changes with what is declared; what was counted under another one is counted anew. */
export function describeCounting(recordType: RecordType): string {
  const known = described.get(recordType);
  if (known !== undefined) return known;
  const { dimensions = [], cubes = [] } = recordType.statistics ?? {};
  const paths = dimensions.map(({ attribute }) => getAttribute(recordType, attribute).path);
  const text = createHash('sha256').update(canonicalJson({ dimensions, cubes, paths })).digest('base64url');
  described.set(recordType, text);
  return text;
}
