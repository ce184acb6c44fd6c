import type { RecordType, Sensitivity } from '../profiles/profile.ts';
import { findSchemaTrail, schemaNode } from '../profiles/schema-path.ts';

/** Which classes of fields a partner is given. A class that is not named is not given. */
export interface FieldRule {
  readonly name: string;
  /** `everything`: the stored text leaves as it is. */
  readonly classes: ReadonlySet<Sensitivity> | 'everything';
}

/** The ready-made rules a partner may be given by name. */
export const FIELD_RULES: readonly FieldRule[] = [
  { name: 'full', classes: 'everything' },
  { name: 'minimal', classes: new Set<Sensitivity>(['public', 'identifier', 'name', 'administrative']) },
];

export function findFieldRule(name: string): FieldRule | undefined {
  return FIELD_RULES.find((rule) => rule.name === name);
}

/** Whether a field of class `sensitivity` is given; an unclassified field is given by `full` only. */
export function givesClass(rule: FieldRule, sensitivity: Sensitivity | undefined): boolean {
  return rule.classes === 'everything' || (sensitivity !== undefined && rule.classes.has(sensitivity));
}

/** Whether the field at a dotted path of the document is given: its class is, and so is that of every container around it. */
export function givesField(rule: FieldRule, recordType: RecordType, path: string): boolean {
  const classes = classesAlong(recordType, path);
  return givesClass(rule, classes.at(-1)) && classes.every((sensitivity) => givesClass(rule, sensitivity));
}

/** The same of a container: one without a class of its own is as open as what is around it. */
export function givesContainer(rule: FieldRule, recordType: RecordType, path: string): boolean {
  return classesAlong(recordType, path).every((sensitivity) => givesClass(rule, sensitivity));
}

/** The classes annotated on the way to `path`, the outermost first. */
function classesAlong(recordType: RecordType, path: string): readonly Sensitivity[] {
  const trail = findSchemaTrail(schemaNode(recordType.document), path) ?? [];
  return trail.flatMap((node) => [node.sensitivity, node.items?.sensitivity]).filter((found) => found !== undefined);
}
