import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';
import { REQUEST_STATUSES, SEARCH_REASON_CODES } from './codes.ts';
import { cutReason, signedContent, type WrittenSearchItem, writeCallbackHeader, writeSearchResponse, writeSignedEnvelope } from './emit.ts';
import type { WrittenCallbackHeader } from './envelope.ts';

const seed = 20240115;
const runs = { seed, numRuns: 300 };
const text = fc.string({ unit: 'binary' });
const count = fc.nat();
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const record = fc.dictionary(text, fc.jsonValue()).map(canonicalJson);

const header: fc.Arbitrary<WrittenCallbackHeader> = fc.record(
  {
    version: text,
    message_id: text,
    message_ts: text,
    action: text,
    status: fc.constantFrom(...REQUEST_STATUSES),
    status_reason_code: fc.constantFrom('rjct.errors.too_many' as const, 'rjct.version.invalid' as const),
    status_reason_message: fc.string({ maxLength: 2000 }),
    total_count: count,
    completed_count: count,
    sender_id: text,
    receiver_id: text,
    is_msg_encrypted: fc.boolean(),
    meta: fc.dictionary(text, fc.jsonValue()),
  },
  { requiredKeys: ['message_id', 'message_ts', 'action', 'status', 'total_count', 'completed_count', 'sender_id', 'receiver_id'] },
);

const item: fc.Arbitrary<WrittenSearchItem> = fc.record({
  reference_id: text,
  timestamp: text,
  status: fc.constantFrom(...REQUEST_STATUSES),
  status_reason_code: optional(fc.constantFrom(...SEARCH_REASON_CODES)),
  status_reason_message: optional(text),
  records: optional(fc.array(record)),
  reg_type: optional(text),
  reg_record_type: optional(text),
  pagination: optional(
    fc.record(
      { page_size: count, page_number: count, total_count: count, next_cursor: text },
      { requiredKeys: ['page_size', 'page_number', 'total_count'] },
    ),
  ),
  locale: optional(text),
});
const response = fc.record({ transaction_id: text, correlation_id: text, items: fc.array(item, { maxLength: 4 }) });

describe('text that is written', () => {
  it('is the canonical form of what it says, for callback headers', () => {
    fc.assert(
      fc.property(header, (value) => {
        const written = writeCallbackHeader(value);
        expect(written).toBe(canonicalJson(JSON.parse(written)));
        expect(JSON.parse(written)).toMatchObject({
          message_id: value.message_id,
          status: value.status,
          version: value.version ?? '1.0.0',
        });
      }),
      runs,
    );
  });

  it('is the canonical form of what it says, for answers to a search', () => {
    fc.assert(
      fc.property(response, (value) => {
        const written = writeSearchResponse(value);
        expect(written).toBe(canonicalJson(JSON.parse(written)));
        for (const [index, written_] of JSON.parse(written).search_response.entries()) {
          expect(written_.data?.reg_records?.map(canonicalJson)).toEqual(value.items[index]?.records);
        }
      }),
      runs,
    );
  });

  it('is signed and sent as the same text', () => {
    fc.assert(
      fc.property(header, optional(response), text, (head, body, signature) => {
        const headerText = writeCallbackHeader(head);
        const messageText = body && writeSearchResponse(body);
        const envelope = writeSignedEnvelope(signedContent(headerText, messageText), signature);
        const { signature: sent, ...signed } = JSON.parse(envelope);
        expect(envelope).toBe(canonicalJson(JSON.parse(envelope)));
        expect(sent).toBe(signature);
        expect(signedContent(headerText, messageText)).toBe(canonicalJson(signed));
      }),
      runs,
    );
  });

  it('puts records where the standard has them', () => {
    const written = writeSearchResponse({
      transaction_id: 't-1',
      correlation_id: 'c-1',
      items: [
        {
          reference_id: '1',
          timestamp: '2024-01-15T10:30:00Z',
          status: 'succ',
          records: ['{"@type":"SRPerson"}', '{"@type":"SRPerson","sex":"female"}'],
          reg_type: 'ns:org:RegistryType:Social',
          reg_record_type: 'SRPerson',
          pagination: { page_size: 2, page_number: 1, total_count: 3, next_cursor: 'n' },
          locale: 'eng',
        },
      ],
    });
    expect(JSON.parse(written)).toEqual({
      transaction_id: 't-1',
      correlation_id: 'c-1',
      search_response: [
        {
          reference_id: '1',
          timestamp: '2024-01-15T10:30:00Z',
          status: 'succ',
          data: {
            version: '1.0.0',
            reg_type: 'ns:org:RegistryType:Social',
            reg_record_type: 'SRPerson',
            reg_records: [{ '@type': 'SRPerson' }, { '@type': 'SRPerson', sex: 'female' }],
          },
          pagination: { page_size: 2, page_number: 1, total_count: 3, next_cursor: 'n' },
          locale: 'eng',
        },
      ],
    });
  });
});

describe('a reason for people', () => {
  it('is cut to 999 whole characters', () => {
    expect(cutReason('a'.repeat(999))).toHaveLength(999);
    expect(cutReason('a'.repeat(1000))).toHaveLength(999);
    expect(cutReason('😀'.repeat(1000))).toBe('😀'.repeat(999));
    expect(cutReason('half \ud83d')).toBe('half \ufffd');
  });
});
