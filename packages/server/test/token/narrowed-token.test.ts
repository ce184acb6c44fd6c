import { randomUUID } from 'node:crypto';
import { parseSubscribeResponse, parseTxnStatusResponse } from '@dci/protocol';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addResearcher, askExport, openExtractWorld, type Researcher } from '../extracts/extract-fixture.ts';
import { makeCounted } from '../statistics/counted-population.ts';
import { signedMessage } from '../support/signed-message.ts';
import { post } from '../support/test-app.ts';

/** A token may have fewer scopes than its partner: then it opens less, wherever it is asked after. */
let world: Awaited<ReturnType<typeof openExtractWorld>>;
let partner: Researcher;
const SCOPES = ['registry/search', 'registry/subscribe', 'registry/subscribe-all', 'registry/export'];

beforeAll(async () => {
  world = await openExtractWorld(makeCounted(200));
  partner = await addResearcher(world, 'narrow.test', { scopes: SCOPES });
}, 90_000);
afterAll(() => world.close());

async function narrow(scope: string): Promise<string> {
  const response = await fetch(`${world.test.base}/oauth2/client/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: partner.clientId,
      client_secret: partner.clientSecret,
      scope,
    }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

it('to subscribe to every record takes the token of who may', async () => {
  const subscribe = async (token: string): Promise<string | undefined> => {
    const transactionId = randomUUID();
    const criteria = { reg_event_type: 'UPDATE', notify_record_type: 'SRPerson', filter: { type: '*', value: '*' } };
    const item = { reference_id: 'r', timestamp: new Date().toISOString(), subscribe_criteria: criteria };
    const body = signedMessage(partner, 'subscribe', { transaction_id: transactionId, subscribe_request: [item] });
    expect((await post(`${world.test.base}/social/registry/subscribe`, token, body)).status).toBe(202);
    const received = await world.receiver.waitFor(world.receiver.received.length + 1);
    const told = received.find(({ message }) => message.transaction_id === transactionId);
    return parseSubscribeResponse(told?.message).subscribe_response[0]?.status;
  };
  expect(await subscribe(await narrow('registry/subscribe'))).toBe('rjct');
  expect(await subscribe(await narrow('registry/subscribe registry/subscribe-all'))).toBe('succ');
});

it('the status of an extract is told to a token that may have extracts', async () => {
  const transactionId = await askForOne();
  const look = async (token: string): Promise<unknown> => {
    const asked = { reference_id: '1', txn_type: 'export', attribute_type: 'transaction_id', attribute_value: transactionId };
    const body = signedMessage(partner, 'txn-status', { transaction_id: randomUUID(), txnstatus_request: asked });
    const { body: answer } = await post(`${world.test.base}/social/registry/sync/txn/status`, token, body);
    const { txn_status: state } = parseTxnStatusResponse(answer.message).txnstatus_response;
    return 'export_response' in state ? state.export_response?.length : undefined;
  };
  expect(await look(await narrow('registry/search'))).toBe(0);
  expect(await look(await narrow('registry/search registry/export'))).toBe(1);
});

async function askForOne(): Promise<string> {
  await askExport(world, partner, { dimensions: ['sex'] });
  const { rows } = await world.test.database.pool.query<{ transaction_id: string }>(
    `select transaction_id from dci_transaction where action = 'export' order by received_at desc limit 1`,
  );
  return rows[0]?.transaction_id ?? '';
}
