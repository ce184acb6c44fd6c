import Type, { type TSchema } from 'typebox';
import { TREATMENTS } from '../disclosure/field-rules.ts';
import { LEGAL_BASIS_KINDS } from '../disclosure/legal-basis.ts';
import { SENSITIVITIES } from '../profiles/sensitivity.ts';
import type { Document } from '../registry/document.ts';
import { checkDocument } from '../registry/normalise.ts';
import { type OwnFieldRule, PARTNER_LIMITS, type PartnerLimit, type PartnerTerms, type RegistryTerms } from '../store/partners.ts';
import type { TermChanges } from './partner-terms.ts';

/**
 * An agreement as a file: on what ground, for what, and what of the registries a partner may see. The short options of
 * the command line say parts of the same; a file says all of it, and what it leaves out is not agreed.
 */

const optional = (properties: Record<string, TSchema>): Record<string, TSchema> =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, Type.Optional(schema)]));

const closed = (required: Record<string, TSchema>, more: Record<string, TSchema>, description: string): TSchema =>
  Type.Object({ ...required, ...optional(more) }, { additionalProperties: false, description });

const text = (description: string): TSchema => Type.String({ minLength: 1, maxLength: 500, description });

const Treatment = Type.Enum([...TREATMENTS], {
  description:
    'give; omit; ask (not given, but records may be asked for by its value); mask (its last four characters); pseudonymise; for dates month, year, 5-years, 10-years (the first day of it); for places district, region, country (nothing closer)',
});

const OwnRule = closed(
  { name: text('what the audit trail calls it') },
  {
    extends: Type.Enum(['full', 'minimal', 'eligibility', 'research', 'existence'], {
      description: 'the ready-made rule that it changes; without one everything that is not named is omitted',
    }),
    classes: closed(
      {},
      Object.fromEntries(SENSITIVITIES.map((name) => [name, Treatment])),
      'by class of fields, as "dci profile show" names them',
    ),
    dates: Type.Enum(['month', 'year', '5-years', '10-years'], { description: 'in what steps dates are told that are given' }),
    places: Type.Enum(['district', 'region', 'country'], { description: 'how closely places are told that are given' }),
    fields: Type.Record(Type.String(), Treatment, {
      description: 'by attribute, path or identifier type, with the record type in front where it matters: {"phone_number": "mask"}',
    }),
  },
  'a rule of its own',
);

const Rows = Type.Record(Type.String(), Type.Union([Type.Literal('all'), Type.Object({}, { additionalProperties: true })]), {
  description:
    'by record type, which records: a condition in the query language ({"district": {"$eq": "XZ-0302"}}) or "all"; every record type that is open must be named',
});

const RegistryPart = closed(
  {},
  { record_types: Type.Array(text('as "dci profile show" names it'), { minItems: 1, description: 'absent: all of them' }), rows: Rows },
  'what of the registry',
);

/** The JSON Schema of the file. */
export const AGREEMENT_SCHEMA: TSchema = Type.Object(
  {
    legal_basis: closed(
      {
        kind: Type.Enum([...LEGAL_BASIS_KINDS], { description: 'where it is consent, nothing is given of a record without one' }),
        text: text('the act, the contract, the decision'),
      },
      {},
      'the ground on which personal data may be seen',
    ),
    purposes: Type.Array(text('a purpose, by its code'), { description: 'for what; a request may state one of them' }),
    registries: Type.Record(Type.String(), RegistryPart, { description: 'by registry' }),
    fields: Type.Union([Type.Enum(['full', 'minimal', 'eligibility', 'research', 'existence']), OwnRule], {
      description: 'how much of each record: a ready-made rule, or one of its own',
    }),
    ...optional({
      recipient_classes: Type.Array(text('a class of recipients'), {
        description: 'classes to whom people give consent, and to which this partner belongs',
      }),
      limits: closed(
        {},
        Object.fromEntries(PARTNER_LIMITS.map((name) => [snake(name), Type.Integer({ minimum: 1, maximum: 100_000_000 })])),
        'limits of its own, in place of the usual ones',
      ),
    }),
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Agreement with a partner',
    additionalProperties: false,
  },
);

/** What such a file holds. */
export interface Agreement {
  readonly legal_basis: { readonly kind: string; readonly text: string };
  readonly purposes: readonly string[];
  readonly registries: Readonly<Record<string, { readonly record_types?: readonly string[]; readonly rows?: RegistryTerms['rows'] }>>;
  readonly fields: NonNullable<TermChanges['fields']>;
  readonly recipient_classes?: readonly string[];
  readonly limits?: Readonly<Record<string, number>>;
}

/** The changes that put a partner under the agreement, or everything in the file that does not fit its schema. */
export function readAgreement(value: unknown): { changes: TermChanges } | { problems: readonly string[] } {
  const problems = describeProblems(AGREEMENT_SCHEMA, value);
  if (problems.length > 0) return { problems };
  const agreement = value as Agreement;
  const { legal_basis: basis, purposes, registries, fields, recipient_classes: recipientClasses = [], limits = {} } = agreement;
  return {
    changes: {
      legalBasis: `${basis.kind}: ${basis.text}`,
      purposes,
      registries: Object.keys(registries),
      registryTerms: Object.fromEntries(Object.entries(registries).map(([name, part]) => [name, readPart(part)])),
      fields,
      recipientClasses,
      limits: Object.fromEntries(PARTNER_LIMITS.map((name) => [name, limits[snake(name)]])),
    },
  };
}

/** A field rule in a file of its own. */
export function readOwnRule(value: unknown): { rule: OwnFieldRule } | { problems: readonly string[] } {
  const problems = describeProblems(OwnRule, value);
  return problems.length > 0 ? { problems } : { rule: value as OwnFieldRule };
}

function describeProblems(schema: TSchema, value: unknown): readonly string[] {
  const problems = checkDocument(schema, value as Document);
  return problems.map(({ pointer, text: problem }) => `${pointer === '' ? 'the file' : pointer} ${problem}`);
}

function readPart({ record_types: recordTypes, rows }: Agreement['registries'][string]): RegistryTerms {
  return { ...(recordTypes === undefined ? {} : { recordTypes }), ...(rows === undefined ? {} : { rows }) };
}

/** The file that says what is registered; undefined while there is no ground or no rule. */
export function writeAgreement(terms: PartnerTerms): Agreement | undefined {
  const { legalBasis, legalBasisKind, fieldRule, ownRule, registryTerms, limits, purposes } = terms;
  if (legalBasis === undefined || fieldRule === undefined) return undefined;
  const stated = PARTNER_LIMITS.flatMap((name: PartnerLimit) => (limits[name] === undefined ? [] : [[snake(name), limits[name]] as const]));
  return {
    legal_basis: { kind: legalBasisKind, text: legalBasis },
    purposes,
    registries: Object.fromEntries([...terms.registries].map((name) => [name, writePart(registryTerms[name] ?? {})])),
    fields: ownRule ?? fieldRule,
    ...(terms.recipientClasses.size === 0 ? {} : { recipient_classes: [...terms.recipientClasses] }),
    ...(stated.length === 0 ? {} : { limits: Object.fromEntries(stated) }),
  };
}

function writePart({ recordTypes, rows }: RegistryTerms): Agreement['registries'][string] {
  return { ...(recordTypes === undefined ? {} : { record_types: recordTypes }), ...(rows === undefined ? {} : { rows }) };
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
