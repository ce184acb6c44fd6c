import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createDciClient, type DciClient, unpackExtract } from '@dci/client';
import {
  type DecryptionKey,
  type Extract,
  type ExportCriteria,
  type ExtractManifest,
  importDecryptionKey,
  importPrivateKey,
  parseExportResponse,
  publicEncryptionJwk,
} from '@dci/protocol';
import { Client, type Pool } from 'pg';
import { type Closing, withClosing } from './closing.ts';
import { copyCompressed } from './copy-out.ts';
import { runDci, startServer } from './dci.ts';
import type { Machine } from './machine.ts';
import { registerPartner } from './partner.ts';
import { readMemory, readPeakMemory, resetPeakMemory } from './peak-memory.ts';
import { BASE_PATH, openPopulace, REGISTRY } from './populace.ts';
import { median } from './statistics.ts';
import { waitForFollowers } from './wait-for-followers.ts';

/**
 * A research extract of everybody: asked for, made, told of, fetched, opened; against a bare `COPY` of the same columns,
 * compressed likewise, one after the other in each round. And how much memory the server takes for it.
 */

export interface ExtractBenchOptions {
  readonly persons: number;
  readonly seed: number;
  readonly rounds: number;
}

export interface ExtractBench {
  readonly options: ExtractBenchOptions;
  readonly machine: Machine;
  readonly columns: readonly string[];
  readonly rows: number;
  readonly k: ExtractManifest['k_anonymity'];
  readonly bytes: number;
  /** Of the server before the first, MB. */
  readonly memoryBefore: number;
  readonly rounds: readonly ExtractRound[];
  /** Median of the rounds: rows a second of the server by those of the copy. */
  readonly ratio: number;
}

export interface ExtractRound {
  /** From the question to the callback, and from there until it is fetched, opened and checked, seconds. */
  readonly made: number;
  readonly fetched: number;
  readonly copied: number;
  /** Most that the server had in memory until it was made, and while it was fetched, MB. */
  readonly peak: number;
  readonly fetchPeak: number;
}

const COLUMNS = ['region', 'district', 'sex', 'age_band', 'marital_status'];
const CRITERIA: ExportCriteria = {
  reg_record_type: 'SRPerson',
  dimensions: COLUMNS,
  query_type: 'idtype-value',
  query: { type: '*', value: '*' },
  format: 'csv',
};
const PLAIN = `select id, a_region, a_district, a_sex, width_bucket(extract(year from age(current_date, a_birth_date)),
  array[5,10,15,18,20,25,30,35,40,45,50,55,60,65,70,75,80,85]::numeric[]), a_marital_status from record_${REGISTRY}_person`;

export async function benchExtract(options: ExtractBenchOptions, say: (text: string) => void): Promise<ExtractBench> {
  return await withClosing((closing) => runExtractBench(options, closing, say));
}

async function runExtractBench(options: ExtractBenchOptions, closing: Closing, say: (text: string) => void): Promise<ExtractBench> {
  const { persons, seed } = options;
  const settings = { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' };
  const { environment, key, opened: registry, machine } = await openPopulace({ persons, seed, signature: 'es256', settings }, closing, say);
  const receiver = closing(await startReceiver(), ({ close }) => close());
  const decryptionKey = importDecryptionKey(generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' }));
  const encryptionFile = join(key.privateFile, '..', 'encryption.json');
  writeFileSync(encryptionFile, JSON.stringify(publicEncryptionJwk(decryptionKey)));
  const partner = await registerPartner(environment, REGISTRY, key, 'required', [
    '--scopes',
    'registry/export',
    '--encryption-key',
    encryptionFile,
    '--allow-callback',
    receiver.url,
    '--notify-uri',
    receiver.url,
  ]);
  await followImport(environment, registry.database.pool, say);
  const server = closing(await startServer(environment), ({ stop }) => stop());
  const client = createDciClient({
    baseUrl: `http://127.0.0.1:${server.port}${BASE_PATH}`,
    senderId: partner.senderId,
    credentials: { token: partner.token },
    signingKey: importPrivateKey(key.privatePem, { kid: 'bench' }),
  });
  const copying = new Client(registry.database.connection);
  await copying.connect();
  closing(copying, () => void copying.end());
  const memoryBefore = readMemory(server.pid);
  const rounds: ExtractRound[] = [];
  let last: Opened | undefined;
  for (let round = 1; round <= options.rounds; round += 1) {
    const opened = await takeExtract({ client, receiver, decryptionKey, server: server.pid });
    const { peak, fetchPeak } = opened;
    const begun = performance.now();
    await copyCompressed(copying, PLAIN);
    const copied = (performance.now() - begun) / 1000;
    rounds.push({ made: opened.made, fetched: opened.fetched, copied, peak, fetchPeak });
    say(
      `round ${round} of ${options.rounds}: made in ${opened.made.toFixed(1)} s, peak ${peak.toFixed(0)} MB, fetched and opened in ${opened.fetched.toFixed(1)} s, peak ${fetchPeak.toFixed(0)} MB; copied in ${copied.toFixed(1)} s`,
    );
    await runDci(environment, 'extract', 'delete', opened.manifest.extract_id);
    last = opened;
  }
  if (last === undefined) throw new Error('there was no round');
  const { k_anonymity: k, content } = last.manifest;
  const ratio = median(rounds.map(({ made, copied }) => k.records / made / (persons / copied)));
  return { options, machine, columns: COLUMNS, rows: k.records, k, bytes: content.bytes, memoryBefore, rounds, ratio };
}

/** By a process of its own, whose memory is not that of the extract. */
async function followImport(environment: NodeJS.ProcessEnv, pool: Pool, say: (text: string) => void): Promise<void> {
  const server = await startServer(environment);
  try {
    await waitForFollowers(pool, say);
  } finally {
    await server.stop();
  }
}

interface Opened {
  readonly made: number;
  readonly fetched: number;
  readonly manifest: ExtractManifest;
  readonly peak: number;
  readonly fetchPeak: number;
}

interface Taking {
  readonly client: DciClient;
  readonly receiver: Receiver;
  readonly decryptionKey: DecryptionKey;
  /** Its process. */
  readonly server: number;
}

async function takeExtract({ client, receiver, decryptionKey, server }: Taking): Promise<Opened> {
  resetPeakMemory(server);
  const begun = performance.now();
  const asked = await client.exportLater(CRITERIA, { registry: REGISTRY });
  const extract = await receiver.waitFor(asked.transactionId);
  const told = performance.now();
  const peak = readPeakMemory(server);
  resetPeakMemory(server);
  const { manifest } = await client.fetchExtractManifest(extract.url);
  // Read to its end: sizes, hashes, tags and the number of rows are checked.
  for await (const _ of unpackExtract(client.readExtract(extract.url, manifest), manifest, [decryptionKey]));
  const fetched = (performance.now() - told) / 1000;
  return { made: (told - begun) / 1000, fetched, manifest, peak, fetchPeak: readPeakMemory(server) };
}

interface Receiver {
  readonly url: string;
  waitFor(transactionId: string): Promise<Extract>;
  close(): Promise<void>;
}

/** Takes what it is sent; whose it is, the manifest's signature tells. */
async function startReceiver(): Promise<Receiver> {
  const waiting = new Map<string, (message: unknown) => void>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const acknowledgement = { ack_status: 'ACK', timestamp: new Date().toISOString(), correlation_id: 'bench' };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ message: acknowledgement }));
    const { message } = JSON.parse(Buffer.concat(chunks).toString()) as { message: { transaction_id: string } };
    waiting.get(message.transaction_id)?.(message);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    waitFor: (transactionId) =>
      new Promise((resolve, reject) => {
        waiting.set(transactionId, (message) => {
          const [item] = parseExportResponse(message).export_response;
          if (item?.extract === undefined) reject(new Error(`no extract was made: ${JSON.stringify(item)}`));
          else resolve(item.extract);
        });
      }),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
