import type { FieldRule, Treatment } from '../disclosure/field-rules.ts';
import { ruleOf } from '../disclosure/grant.ts';
import type { StoredPartner } from '../store/partners.ts';

/** What a partner may see and why, in words for whoever answers for it. */
export function describeAgreement(partner: StoredPartner): string[] {
  const { legalBasis, legalBasisKind, purposes } = partner;
  const rule = ruleOf(partner);
  if (legalBasis === undefined) return ['  sees nothing: no legal basis is registered'];
  if (rule === undefined) return ['  sees nothing: no field rule is registered'];
  return [
    `  sees ${describeRule(rule)}`,
    ...listRows(partner).map((line) => `    ${line}`),
    `  on the legal basis "${legalBasis}" (${legalBasisKind}), for ${purposes.length === 0 ? 'no stated purpose' : purposes.join(', ')}`,
    ...(legalBasisKind === 'consent'
      ? [`  and of each person or group only what it has consent for, given to it${describeClasses(partner)}, for the purpose asked for`]
      : []),
  ];
}

function describeClasses({ recipientClasses }: StoredPartner): string {
  return recipientClasses.size === 0 ? '' : ` or to the recipients ${[...recipientClasses].join(', ')}`;
}

function describeRule(rule: FieldRule): string {
  if (rule.classes === 'everything') return `every field (rule ${rule.name})`;
  const parts = [
    ...[...Map.groupBy(rule.classes, ([, treatment]) => treatment)].map(([treatment, entries]) =>
      describeTreatment(
        treatment,
        entries.map(([name]) => name),
      ),
    ),
    ...(rule.dates === undefined ? [] : [`dates ${STEPS[rule.dates]}`]),
    ...(rule.places === undefined ? [] : [`places no closer than the ${rule.places}`]),
    ...[...rule.fields].map(([name, treatment]) => `${name}: ${WORDS[treatment]}`),
  ];
  return `${parts.join('; ')}; and no other field (rule ${rule.name})`;
}

function describeTreatment(treatment: Treatment, classes: readonly string[]): string {
  return treatment === 'give' ? `the fields of the classes ${classes.join(', ')}` : `${classes.join(', ')}: ${WORDS[treatment]}`;
}

const STEPS = { month: 'by the month', year: 'by the year', '5-years': 'in steps of 5 years', '10-years': 'in steps of 10 years' } as const;

const WORDS: Readonly<Record<Treatment, string>> = {
  give: 'as it is',
  omit: 'not given',
  ask: 'not given, only asked for: whether there is a record with this value',
  mask: 'the last four characters',
  pseudonymise: 'a pseudonym of its own for this partner',
  ...STEPS,
  district: 'no closer than the district',
  region: 'no closer than the region',
  country: 'no closer than the country',
};

function listRows({ registries, registryTerms }: StoredPartner): readonly string[] {
  return [...registries].flatMap((registry) => {
    const { recordTypes, rows = {} } = registryTerms[registry] ?? {};
    return [
      ...(recordTypes === undefined ? [] : [`of ${registry}, records of the types ${recordTypes.join(', ')} only`]),
      ...Object.entries(rows).flatMap(([name, query]) =>
        query === 'all' ? [] : [`of ${registry}, a ${name} only where ${JSON.stringify(query)}`],
      ),
    ];
  });
}
