import type { RecordType, Sensitivity } from './profile.ts';
import { findSchemaTrail, schemaNode } from './schema-path.ts';

/** Every class. */
export const SENSITIVITIES: readonly Sensitivity[] = [
  'public',
  'identifier',
  'name',
  'demographic',
  'contact',
  'location',
  'special',
  'financial',
  'administrative',
];

/** The class of the field at a dotted path of the stored document: its own, else that of its nearest ancestor. */
export function sensitivityOf(recordType: RecordType, path: string): Sensitivity | undefined {
  const trail = findSchemaTrail(schemaNode(recordType.document), path) ?? [];
  return trail.flatMap((node) => [node.sensitivity, node.items?.sensitivity]).findLast((found) => found !== undefined);
}
