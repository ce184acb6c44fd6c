import { canonicalJson, generateSigningKey, importPublicKey, publicJwk } from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DciAnswerError, type DciClient, DciRefusal } from '../src/index.ts';
import { connectTo, type Registry, signAnswer, startRegistry, verifyRequest } from './support/registry.ts';

const PARTNER_KEY = generateSigningKey('EdDSA');
const CRITERIA = { identifier_type: 'UIN', identifier_values: ['1', '2', '3'] };

let registry: Registry;
let client: DciClient;
beforeEach(async () => {
  registry = await startRegistry();
  client = connectTo(registry, { signingKey: PARTNER_KEY });
});
afterEach(() => registry.close());

type Json = Record<string, unknown>;

const found = (reference: string, values: readonly string[]): Json => ({
  reference_id: reference,
  timestamp: new Date().toISOString(),
  status: 'succ',
  data: {
    reg_type: 'ns:org:RegistryType:Social',
    reg_record_type: 'SRPerson',
    identifier_type: 'UIN',
    identifier_values: values,
    asked_count: 3,
    found_count: values.length,
  },
});

function answerWith(items: readonly Json[], change: { action?: string; status?: 'succ' | 'rjct' } = {}): void {
  registry.answerOther = (asked) => {
    const ids = { transaction_id: (asked.envelope.message as Json)['transaction_id'], correlation_id: 'c-1' };
    const message = canonicalJson({ ...ids, exists_response: items });
    return { body: signAnswer(registry, asked, message, { header: change }) };
  };
}

describe('an existence check', () => {
  it('is one signed message, and gives what is there', async () => {
    answerWith([found('2', []), found('1', ['1', '3'])]);
    const answer = await client.exists([CRITERIA, CRITERIA], { registry: 'social', transactionId: 't-1', locale: 'eng' });
    expect(answer.items.map(({ data }) => data?.identifier_values)).toEqual([['1', '3'], []]);
    expect(answer).toMatchObject({ transactionId: 't-1', correlationId: 'c-1', signedBy: registry.signingKey.kid });
    const sent = registry.requests.find(({ path }) => path === '/base/social/registry/sync/exists');
    if (sent === undefined) throw new Error('nothing was sent');
    const { header, message, signedBy } = verifyRequest(sent, importPublicKey({ ...publicJwk(PARTNER_KEY) }));
    expect(signedBy?.kid).toBe(PARTNER_KEY.kid);
    expect(header).toMatchObject({ action: 'exists', total_count: 2 });
    expect(message).toMatchObject({
      transaction_id: 't-1',
      exists_request: [{ reference_id: '1', locale: 'eng', exists_criteria: CRITERIA }, {}],
    });
  });

  it('takes criteria alone', async () => {
    answerWith([found('1', ['2'])]);
    expect((await client.exists(CRITERIA)).items[0]?.data?.identifier_values).toEqual(['2']);
  });

  it.each([
    ['is of another action', [found('1', [])], { action: 'on-search' }],
    ['lacks an item', [], {}],
    ['answers another item', [found('2', [])], {}],
    ['has no form', [{ ...found('1', []), data: { identifier_values: [1] } }], {}],
  ])('uses no answer that %s', async (_name, items, change) => {
    answerWith(items, change);
    await expect(client.exists(CRITERIA)).rejects.toThrow(DciAnswerError);
  });

  it('is refused with the reason of its item', async () => {
    const refused = { status: 'rjct', status_reason_code: 'rjct.filter.invalid', status_reason_message: 'not open to you' };
    answerWith([{ reference_id: '1', timestamp: new Date().toISOString(), ...refused }], { status: 'rjct' });
    const refusal = await client.exists(CRITERIA).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(DciRefusal);
    expect(refusal).toMatchObject({ code: 'rjct.filter.invalid', message: 'not open to you', items: [{ reference_id: '1' }] });
  });
});
