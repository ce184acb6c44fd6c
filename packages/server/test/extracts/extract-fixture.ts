import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import {
  type DecryptionKey,
  type Extract,
  type ExtractManifest,
  type ExportResponseItem,
  importDecryptionKey,
  importPublicKey,
  openSegment,
  parseExportResponse,
  SEGMENT_BYTES,
  SEGMENT_TAG_BYTES,
  unwrapContentKey,
  verifyExtractManifest,
} from '@dci/protocol';
import { vi } from 'vitest';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import { type CountedPerson, putCounted, untilCounted } from '../statistics/counted-population.ts';
import { type RecordingReceiver, startRecordingReceiver } from '../support/recording-receiver.ts';
import { signedMessage } from '../support/signed-message.ts';
import { type Answer, post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** Partners that ask for extracts, fetch them and open them as their manifests say. */
export type Json = Record<string, unknown>;

export interface ExtractWorld {
  readonly test: TestApp;
  readonly receiver: RecordingReceiver;
}

/** A server with these persons, and whom it calls. */
export async function openExtractWorld(persons: readonly CountedPerson[]): Promise<ExtractWorld & { close(): Promise<void> }> {
  const test = await startTestApp({}, LOCAL_CALLBACKS);
  const receiver = await startRecordingReceiver(test.base);
  await putCounted(test.database, persons);
  await untilCounted(test.database, persons);
  return {
    test,
    receiver,
    async close() {
      await test.close();
      await receiver.close();
    },
  };
}

export interface Researcher extends TestPartner {
  readonly decryptionKey: DecryptionKey;
}

export const EVERYTHING = { query_type: 'idtype-value', query: { type: '*', value: '*' } };
/** Callbacks come from this very machine. */
export const LOCAL_CALLBACKS = { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' };
const PATIENCE = { timeout: 40_000, interval: 20 };

export async function addResearcher(
  { test, receiver }: ExtractWorld,
  senderId: string,
  terms: TermChanges = {},
  decryptionKey: DecryptionKey = makeDecryptionKey(),
): Promise<Researcher> {
  const usual = {
    scopes: ['registry/search', 'registry/statistics', 'registry/export'],
    fields: 'research',
    notifyUri: `${receiver.origin}/on-export`,
  };
  return { ...(await test.addPartner(senderId, { ...usual, ...terms }, decryptionKey)), decryptionKey };
}

function makeDecryptionKey(): DecryptionKey {
  return importDecryptionKey(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }));
}

export function exportBody(partner: TestPartner, criteria: Json, { header = {}, transactionId = randomUUID() as string } = {}): string {
  const item = {
    reference_id: 'r0',
    timestamp: new Date().toISOString(),
    export_criteria: { reg_record_type: 'SRPerson', ...EVERYTHING, ...criteria },
  };
  return signedMessage(partner, 'export', { transaction_id: transactionId, export_request: [item] }, header);
}

export const sendExport = ({ test }: ExtractWorld, partner: TestPartner, body: string): Promise<Answer> =>
  post(`${test.base}/social/registry/export`, partner.token, body);

/** Asks, and waits for what the callback says. */
export async function askExport(world: ExtractWorld, partner: TestPartner, criteria: Json): Promise<ExportResponseItem> {
  const transactionId = randomUUID();
  const answer = await sendExport(world, partner, exportBody(partner, criteria, { transactionId }));
  if (answer.body.message?.ack_status !== 'ACK') throw new Error(answer.text);
  return await calledBack(world, transactionId);
}

export async function calledBack({ receiver }: ExtractWorld, transactionId: string): Promise<ExportResponseItem> {
  return await vi.waitFor(() => {
    const told = receiver.received.find(({ message }) => message.transaction_id === transactionId);
    if (told === undefined) throw new Error('nothing was called back');
    if (told.signature !== 'good') throw new Error('a callback is not signed by the registry');
    const [item] = parseExportResponse(told.message).export_response;
    if (item === undefined) throw new Error('a callback has no item');
    return item;
  }, PATIENCE);
}

export async function fetchBytes(url: string, token: string | undefined, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, { headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers } });
}

export interface OpenedExtract {
  readonly extract: Extract;
  readonly manifest: ExtractManifest;
  readonly text: string;
  readonly rows: readonly Readonly<Record<string, string | null>>[];
}

/** Asks for an extract, fetches and opens it. */
export async function getExtract(world: ExtractWorld, partner: Researcher, criteria: Json): Promise<OpenedExtract> {
  const item = await askExport(world, partner, criteria);
  if (item.extract === undefined) throw new Error(JSON.stringify(item));
  return await openExtract(world, partner, item.extract);
}

export async function openExtract({ test }: ExtractWorld, partner: Researcher, extract: Extract): Promise<OpenedExtract> {
  const manifest = await verifyExtractManifest(extract.manifest, await fetchKeys(test.base));
  const response = await fetchBytes(extract.url, partner.token);
  if (response.status !== 200) throw new Error(await response.text());
  const sealed = Buffer.from(await response.arrayBuffer());
  const text = gunzipSync(await unseal(manifest, sealed, partner.decryptionKey)).toString();
  return { extract, manifest, text, rows: manifest.format === 'csv' ? [] : readRows(text) };
}

async function fetchKeys(base: string): Promise<(kid: string) => ReturnType<typeof importPublicKey> | undefined> {
  const { keys } = (await (await fetch(`${base}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] };
  return (kid) => {
    const jwk = keys.find((candidate) => candidate.kid === kid);
    return jwk === undefined ? undefined : importPublicKey(jwk as Parameters<typeof importPublicKey>[0]);
  };
}

export async function unseal(manifest: ExtractManifest, sealed: Buffer, own: DecryptionKey): Promise<Buffer> {
  const key = await unwrapContentKey(manifest.encryption.key, (kid) => (kid === own.kid ? own : undefined));
  const noncePrefix = Buffer.from(manifest.encryption.nonce_prefix, 'base64url');
  const length = SEGMENT_BYTES + SEGMENT_TAG_BYTES;
  const { segments } = manifest.content;
  return Buffer.concat(
    Array.from({ length: segments }, (_, number) =>
      openSegment(
        { key, noncePrefix },
        { number, isLast: number === segments - 1 },
        sealed.subarray(number * length, (number + 1) * length),
      ),
    ),
  );
}

export function readRows(text: string): Record<string, string | null>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, string | null>);
}
