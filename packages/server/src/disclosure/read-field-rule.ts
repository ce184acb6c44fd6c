import type { Sensitivity } from '../profiles/profile.ts';
import { SENSITIVITIES } from '../profiles/sensitivity.ts';
import type { OwnFieldRule } from '../store/partners.ts';
import { type FieldRule, findFieldRule, type Treatment } from './field-rules.ts';

/** A rule as it is written in an agreement: a ready-made one that is changed, or one from nothing. Undefined where it builds on none that is known. */
export function readFieldRule({ name, extends: base, classes = {}, dates, places, fields = {} }: OwnFieldRule): FieldRule | undefined {
  const from = base === undefined ? undefined : findFieldRule(base);
  if (base !== undefined && from === undefined) return undefined;
  return {
    name,
    classes: new Map([...spellOut(from), ...(Object.entries(classes) as [Sensitivity, Treatment][])]),
    dates: dates ?? from?.dates,
    places: places ?? from?.places,
    fields: new Map([...(from?.fields ?? []), ...(Object.entries(fields) as [string, Treatment][])]),
  };
}

function spellOut(rule: FieldRule | undefined): readonly (readonly [Sensitivity, Treatment])[] {
  if (rule === undefined) return [];
  return rule.classes === 'everything' ? SENSITIVITIES.map((sensitivity) => [sensitivity, 'give'] as const) : [...rule.classes];
}
