import type { DciError, VerifiedMessage } from '@dci/protocol';
import type { DisclosedResult } from '../disclosure/disclose.ts';
import type { Grant } from '../disclosure/grant.ts';
import { writeLegalBasis } from '../disclosure/legal-basis.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import type { Profile } from '../profiles/profile.ts';
import type { AuditEntry, Disclosure } from '../store/audit.ts';
import type { Sender } from './receive-message.ts';
import type { AnsweredItem } from './search.ts';

/** What the audit trail says of a search: who asked for what, why he may, and what he was given. */

export type AuditedSearch = AuditedItems<AnsweredItem>;

export function describeSearch(describeQuery: QueryDescriber, audited: AuditedSearch): ReturnType<typeof describeItems> {
  const answered = listAnswered(audited.outcomes);
  return {
    ...describeItems(audited, ({ result: { plan } }) => ({ profile: plan.profile, query: describeQuery(plan) })),
    recordCount: answered.reduce((sum, { result }) => sum + result.records.length, 0),
    disclosed: describeDisclosed(answered.map(({ result }) => result)),
  };
}

/** A message whose items were answered or refused one by one. */
export interface AuditedItems<Answered> {
  readonly grant: Grant;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly outcomes: readonly (Answered | { readonly refusal: DciError })[];
}

/** What the rows of all such messages say; no record left with it. */
export function describeItems<Answered extends { readonly purpose: string | undefined }>(
  { grant, transactionId, correlationId, outcomes }: AuditedItems<Answered>,
  describe: (answered: Answered) => { readonly profile: Profile; readonly query: object },
): Omit<AuditEntry, keyof AuditedSender | 'messageId' | 'claimUntil'> {
  const registries = new Set<string>();
  const stated = new Set<string>();
  const queries: object[] = [];
  let answered = 0;
  for (const outcome of outcomes) {
    if (isRefused(outcome)) {
      queries.push({ refused: outcome.refusal.code });
      continue;
    }
    const { profile, query } = describe(outcome);
    answered += 1;
    registries.add(profile.registry);
    if (outcome.purpose !== undefined) stated.add(outcome.purpose);
    queries.push(query);
  }
  return {
    registry: [...registries].join(' '),
    transactionId,
    correlationId,
    legalBasis: writeLegalBasis(grant.legalBasis),
    purposes: stated.size > 0 ? [...stated] : grant.purposes,
    fieldRule: grant.rule.name,
    outcome: answered > 0 ? 'answered' : 'rjct.errors.too_many',
    query: JSON.stringify(queries),
    itemCount: outcomes.length,
    recordCount: 0,
    disclosed: [],
  };
}

export function listAnswered<Answered>(outcomes: AuditedItems<Answered>['outcomes']): readonly Answered[] {
  return outcomes.flatMap((outcome) => (isRefused(outcome) ? [] : [outcome]));
}

function isRefused(outcome: unknown): outcome is { readonly refusal: DciError } {
  return typeof outcome === 'object' && outcome !== null && 'refusal' in outcome;
}

/** Which records were given, and under which consents where that is the ground. */
export function describeDisclosed(results: readonly DisclosedResult[]): readonly Disclosure[] {
  return results.map(({ plan, recordIds, consentIds }) => ({
    entity: plan.entity.name,
    records: recordIds,
    ...(consentIds.length === 0 ? {} : { consents: consentIds }),
  }));
}

/** A message that was refused as a whole. */
export function describeRefusal(sender: Sender, action: string, fault: DciError, message: VerifiedMessage | undefined): AuditEntry {
  return {
    ...describeSender(sender, action),
    registry: '',
    messageId: message?.header.message_id ?? '',
    purposes: [],
    outcome: fault.code,
    itemCount: 0,
    recordCount: 0,
    disclosed: [],
  };
}

export type AuditedSender = Pick<AuditEntry, 'partnerId' | 'partnerRevision' | 'senderId' | 'remoteAddress' | 'action'>;

export function describeSender(sender: Pick<Sender, 'partner' | 'remoteAddress'>, action: string): AuditedSender {
  return describeSent(sender, action, {});
}

/** What is said of an act, and whose it was. */
export function describeSent<Said extends object>(
  { partner, remoteAddress }: Pick<Sender, 'partner' | 'remoteAddress'>,
  action: string,
  said: Said,
): Said & AuditedSender {
  return { ...said, partnerId: partner.id, partnerRevision: partner.revision, senderId: partner.senderId, remoteAddress, action };
}
