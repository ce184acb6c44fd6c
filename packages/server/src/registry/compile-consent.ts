import type { Profile } from '../profiles/profile.ts';
import type { CoverNeeds } from './cover.ts';
import type { ConsentTerms } from './sight.ts';
import { type Parameters, quoteText } from './sql.ts';

/** The row whose consents are asked for. */
interface ConsentedRow {
  readonly profile: Profile;
  readonly alias: string;
  readonly parameters: Parameters;
}

/** Of consents for a record that is gone: SQL of when it went. They held then, as they were given by then. */
interface GoneRow extends ConsentedRow {
  readonly wentAt: string;
}

/** That there is a consent for the record. It is read with the record itself, so that a withdrawal counts at once. */
export function compileConsented(terms: ConsentTerms, row: ConsentedRow): string {
  return `exists (select 1 from ${validConsents(terms, row)})`;
}

/** That consents cover each of the needs of a field. */
export function compileCovered(terms: ConsentTerms, needs: CoverNeeds, row: ConsentedRow): string {
  return needs
    .map((need) => `exists (select 1 from ${validConsents(terms, row)} and c.fields && ${row.parameters.bind(need, 'text[]')})`)
    .join(' and ');
}

/** The consents themselves, as JSON text: `[[id, [mark, …]], …]`. */
export function compileCover(terms: ConsentTerms, row: ConsentedRow): string {
  return writeCover(validConsents(terms, row));
}

/** As `compileCover`, of those that held when the record went and hold still. */
export function compileGoneCover(terms: ConsentTerms, row: GoneRow): string {
  return writeCover(
    [
      validConsents(terms, row),
      `c.valid_from <= ${row.wentAt}`,
      `not exists (select 1 from consent_event e where e.consent_id = c.id and e.kind = 'renewed' and e.at > ${row.wentAt})`,
    ].join(' and '),
  );
}

function writeCover(consents: string): string {
  return `(select json_agg(json_build_array(c.id, c.fields) order by c.id)::text from ${consents})`;
}

function validConsents({ recipients, purposes }: ConsentTerms, { profile, alias, parameters }: ConsentedRow): string {
  return [
    `consent c where c.registry = ${quoteText(profile.registry)} and c.record_id = ${alias}.id`,
    `c.recipient = any(${parameters.bindShared(recipients, 'text[]')}) and c.purposes && ${parameters.bindShared(purposes, 'text[]')}`,
    'c.withdrawn_at is null and c.valid_from <= now() and c.valid_until > now()',
  ].join(' and ');
}
