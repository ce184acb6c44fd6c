import { readIdentifiers } from '../registry/identifier-rows.ts';
import { writeReceipt } from '../services/consent-receipt.ts';
import { stateOf } from '../services/consents.ts';
import { type Consent, type ConsentEvent, loadConsentEvents } from '../store/consents.ts';
import type { Db } from '../store/database.ts';
import { loadPartners } from '../store/partners.ts';
import { partnerRecipient } from '../disclosure/grant.ts';

/** A consent, whose it is and to whom, and what happened to it. */
export interface ConsentAndParties {
  readonly consent: Consent;
  readonly events: readonly ConsentEvent[];
  /** An identifier of the record; empty when the record is gone. */
  readonly subject: string;
  readonly recipient: string;
}

export async function loadConsentAndParties(db: Db, consent: Consent): Promise<ConsentAndParties> {
  const [identifier] = (await readIdentifiers(db, [consent.recordId])).get(consent.recordId) ?? [];
  const partner = (await loadPartners(db)).find(({ id }) => partnerRecipient(id) === consent.recipient);
  return {
    consent,
    events: await loadConsentEvents(db, consent.id),
    subject: identifier === undefined ? '' : `${identifier.type}=${identifier.value}`,
    recipient: partner?.senderId ?? consent.recipient,
  };
}

export function receiptOf({ consent, events, subject, recipient }: ConsentAndParties, controller: string): object {
  return writeReceipt(consent, events, { controller, subject, recipient });
}

/** `now`: epoch milliseconds. */
export function consentJson({ consent, events, subject, recipient }: ConsentAndParties, now: number): Record<string, unknown> {
  return {
    id: consent.id,
    registry: consent.registry,
    subject,
    recipient,
    purposes: consent.purposes,
    covers: consent.fields,
    valid_from: consent.validFrom,
    valid_until: consent.validUntil ?? null,
    withdrawn_at: consent.withdrawnAt ?? null,
    erased_at: consent.erasedAt ?? null,
    authority: consent.authority ?? null,
    state: stateOf(consent, now),
    history: events.map(({ at, kind, by, terms }) => ({ at, kind, by, terms })),
  };
}

/** A line of a list. */
export function consentRow({ consent, subject, recipient }: ConsentAndParties, now: number): readonly unknown[] {
  const { id, purposes, fields, validUntil } = consent;
  return [id, subject, recipient, purposes, fields, validUntil?.toISOString() ?? 'withdrawal', stateOf(consent, now)];
}

export function describeConsent({ consent, events, subject, recipient }: ConsentAndParties, now: number): string[] {
  const until = consent.validUntil === undefined ? 'until it is withdrawn' : `until ${consent.validUntil.toISOString()}`;
  return [
    `${consent.id} (${stateOf(consent, now)})`,
    `  ${subject === '' ? 'a record that is gone' : subject} lets ${recipient} see ${consent.fields.join(', ')}`,
    `  for ${consent.purposes.join(', ')}, from ${consent.validFrom.toISOString()} ${until}`,
    ...events.map(({ at, kind, by }) => `  ${at.toISOString()} ${kind}, written down by ${by}`),
  ];
}
