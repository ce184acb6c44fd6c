import type { Sensitivity } from '../profiles/profile.ts';

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
