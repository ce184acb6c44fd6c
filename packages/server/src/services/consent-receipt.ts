import type { Consent, ConsentEvent } from '../store/consents.ts';

export interface ReceiptParties {
  /** Name of the server: who holds the record. */
  readonly controller: string;
  /** The identifier by which the subject knows itself. */
  readonly subject: string;
  /** The recipient in words: a sender_id, or a class. */
  readonly recipient: string;
}

/**
 * What the person is given of a consent: a record and receipt in the structure of ISO/IEC TS 27560:2023, as far as this
 * server knows its contents. Notices and rights stand with whoever asked for the consent.
 */
export function writeReceipt(
  consent: Consent,
  events: readonly ConsentEvent[],
  { controller, subject, recipient }: ReceiptParties,
): object {
  return {
    receipt: { schema_version: 'ISO/IEC TS 27560:2023', receipt_id: consent.id, pii_principal_id: subject },
    record: { schema_version: 'ISO/IEC TS 27560:2023', record_id: consent.id, pii_principal_id: subject },
    pii_processing: {
      purposes: consent.purposes.map((purpose) => ({
        purpose,
        lawful_basis: 'consent',
        pii_information: consent.fields.map((field) => ({ pii_type: field })),
        pii_controllers: [controller],
        recipient_third_parties: [recipient],
        withdrawal_method: `dci consent withdraw ${consent.id}`,
        validity: { from: consent.validFrom.toISOString(), until: consent.validUntil?.toISOString() ?? null },
      })),
    },
    party_identification: [
      { party_id: controller, party_role: 'pii_controller' },
      { party_id: recipient, party_role: 'recipient_third_party' },
      ...(consent.authority === undefined ? [] : [{ party_id: consent.authority, party_role: 'authority' }]),
    ],
    event: events.map(({ at, kind, by }) => ({ event_time: at.toISOString(), event_type: 'explicit', event_state: kind, entity_id: by })),
  };
}
