import type { DciError, VerifiedMessage } from '@dci/protocol';
import type { DisclosedResult } from '../disclosure/disclose.ts';
import type { Grant } from '../disclosure/grant.ts';
import { writeLegalBasis } from '../disclosure/legal-basis.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import type { AuditEntry, Disclosure } from '../store/audit.ts';
import type { Sender } from './receive-message.ts';
import type { SearchOutcome } from './search.ts';

/** What the audit trail says of a search: who asked for what, why he may, and what he was given. */

export interface AuditedSearch {
  readonly grant: Grant;
  readonly transactionId: string;
  readonly correlationId: string;
  readonly outcomes: readonly SearchOutcome[];
}

export function describeSearch(
  describeQuery: QueryDescriber,
  { grant, transactionId, correlationId, outcomes }: AuditedSearch,
): Omit<AuditEntry, keyof AuditedSender | 'messageId' | 'claimUntil'> {
  const answered = outcomes.flatMap((outcome) => ('result' in outcome ? [outcome.result] : []));
  const stated = [...new Set(outcomes.flatMap((outcome) => ('result' in outcome ? (outcome.purpose ?? []) : [])))];
  return {
    registry: [...new Set(answered.map((result) => result.plan.profile.registry))].join(' '),
    transactionId,
    correlationId,
    legalBasis: writeLegalBasis(grant.legalBasis),
    purposes: stated.length > 0 ? stated : grant.purposes,
    fieldRule: grant.rule.name,
    outcome: answered.length > 0 ? 'answered' : 'rjct.errors.too_many',
    query: JSON.stringify(
      outcomes.map((outcome) => ('result' in outcome ? describeQuery(outcome.result.plan) : { refused: outcome.refusal.code })),
    ),
    itemCount: outcomes.length,
    recordCount: answered.reduce((sum, result) => sum + result.records.length, 0),
    disclosed: describeDisclosed(answered),
  };
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

type AuditedSender = Pick<AuditEntry, 'partnerId' | 'partnerRevision' | 'senderId' | 'remoteAddress' | 'action'>;

export function describeSender({ partner, remoteAddress }: Pick<Sender, 'partner' | 'remoteAddress'>, action: string): AuditedSender {
  return { partnerId: partner.id, partnerRevision: partner.revision, senderId: partner.senderId, remoteAddress, action };
}
