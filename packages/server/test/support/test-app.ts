import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  canonicalJson,
  type DecryptionKey,
  type DigestForm,
  type EncryptionKey,
  encryptText,
  generateSigningKey,
  importEncryptionKey,
  importPublicKey,
  isEncryptionKey,
  publicEncryptionJwk,
  publicJwk,
  type SignatureDialect,
  type SigningKey,
  signContent,
  signedContent,
  writeInForm,
} from '@dci/protocol';
import { pino } from 'pino';
import { type App, type AppOverrides, startApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import type { TermChanges } from '../../src/services/partner-terms.ts';
import type { Database } from '../../src/store/database.ts';
import { createTestDatabase } from './database.ts';

/** A server on a free port over a database of its own, and partners that can call it. */
export interface TestApp {
  readonly app: App;
  readonly config: Config;
  readonly database: Database;
  /** `http://127.0.0.1:PORT/api/v2/dci` */
  readonly base: string;
  addPartner(senderId: string, terms?: TermChanges, ...keys: readonly PartnersKey[]): Promise<TestPartner>;
  close(): Promise<void>;
}

export interface TestPartner {
  readonly senderId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: SigningKey;
  readonly token: string;
}

export const SERVER_ID = 'registry.test';

export async function startTestApp(overrides: AppOverrides = {}, environment: Record<string, string> = {}): Promise<TestApp> {
  const test = await createTestDatabase();
  for (const profile of overrides.profiles ?? BUILT_IN_PROFILES) await reconcileProfile(test.database, profile);
  const dataDir = mkdtempSync(join(tmpdir(), 'dci-app-'));
  const { host, user, database: name } = test.connection;
  const config = readConfig({
    DCI_DATABASE_URL: `postgresql:///${name}?host=${host}&user=${user}`,
    DCI_DATA_DIR: dataDir,
    DCI_PORT: '0',
    DCI_SENDER_ID: SERVER_ID,
    ...environment,
  });
  const app = await startApp(config, { log: pino({ level: 'silent' }), ...overrides });
  const base = `${app.url}${app.basePath}`;
  return {
    app,
    config,
    database: test.database,
    base,
    addPartner: (senderId, terms, ...keys) => addPartner({ database: test.database, base, overrides }, senderId, terms ?? {}, keys),
    async close() {
      await app.close();
      await test.drop();
      rmSync(dataDir, { recursive: true });
    },
  };
}

const WHOLE: TermChanges = {
  registries: ['social'],
  scopes: ['registry/search'],
  legalBasis: 'law',
  purposes: ['enrolment'],
  fields: 'full',
};

/** A key of a partner's own: it signs with it, or is encrypted to it. */
export type PartnersKey = SigningKey | DecryptionKey;

async function addPartner(
  { database, base, overrides }: { database: Database; base: string; overrides: AppOverrides },
  senderId: string,
  terms: TermChanges,
  keys: readonly PartnersKey[],
): Promise<TestPartner> {
  const key = keys.find((own): own is SigningKey => !isEncryptionKey(own)) ?? generateSigningKey('ES256');
  const encryptionKeys = keys.filter((own): own is DecryptionKey => isEncryptionKey(own));
  const registered = await registerPartner(database.db, overrides.profiles ?? BUILT_IN_PROFILES, {
    senderId,
    terms: { ...WHOLE, ...terms },
    keys: [importPublicKey({ ...publicJwk(key) }), ...encryptionKeys.map((own) => importEncryptionKey({ ...publicEncryptionJwk(own) }))],
  });
  return { ...registered, key, token: await getToken(base, registered) };
}

/** Waits for the moment when the server knows the partner: it is told by the database. */
export async function getToken(base: string, credentials: { clientId: string; clientSecret: string }): Promise<string> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const response = await fetch(`${base}/oauth2/client/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: credentials.clientId,
        client_secret: credentials.clientSecret,
      }),
    });
    if (response.status === 200) return ((await response.json()) as { access_token: string }).access_token;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('no token within two seconds');
}

type Json = Record<string, unknown>;

export interface MessageChange {
  readonly header?: Json;
  readonly message?: Json;
  readonly signature?: string | null;
  readonly created?: number;
  readonly expires?: number;
  readonly dialect?: SignatureDialect;
  readonly form?: DigestForm;
}

/** A search of these items as the partner would send it, signed; `change` alters it before it is signed. */
export function searchBody(partner: TestPartner, criteria: readonly Json[], change: MessageChange = {}): string {
  const { header, message } = searchMessage(partner, criteria, change);
  return signBody(partner, header, message, change);
}

/** The same, its message encrypted to a key of the server. */
export async function encryptedBody(
  partner: TestPartner,
  criteria: readonly Json[],
  key: EncryptionKey,
  change: MessageChange = {},
): Promise<string> {
  const { header, message } = searchMessage(partner, criteria, change);
  return signBody(partner, { ...header, is_msg_encrypted: true }, await encryptText(JSON.stringify(message), key), change);
}

export function searchMessage(
  partner: Pick<TestPartner, 'senderId'>,
  criteria: readonly Json[],
  change: MessageChange = {},
): { readonly header: Json; readonly message: Json } {
  const header = {
    version: '1.0.0',
    message_id: randomUUID(),
    message_ts: new Date().toISOString(),
    action: 'search',
    sender_id: partner.senderId,
    receiver_id: SERVER_ID,
    total_count: criteria.length,
    ...change.header,
  };
  const message = {
    transaction_id: randomUUID(),
    search_request: criteria.map((criterion, index) => ({
      reference_id: `r${index}`,
      timestamp: new Date().toISOString(),
      search_criteria: criterion,
    })),
    ...change.message,
  };
  return { header, message };
}

/** A message of any action as the partner would send it, signed. */
export function messageBody(partner: TestPartner, about: { readonly action: string; readonly total_count: number }, content: Json): string {
  const { header, message } = searchMessage(partner, []);
  return signBody(partner, { ...header, ...about }, { transaction_id: message['transaction_id'], ...content }, {});
}

export function signBody(partner: Pick<TestPartner, 'senderId' | 'key'>, header: Json, message: object, change: MessageChange): string {
  const content = signedContent(canonicalJson(header), canonicalJson(message));
  const created = change.created ?? Math.floor(Date.now() / 1000);
  const terms = {
    senderId: partner.senderId,
    created,
    expires: change.expires ?? created + 300,
    ...(change.dialect === undefined ? {} : { dialect: change.dialect }),
  };
  const signature =
    change.signature === undefined ? signContent(writeInForm(content, change.form ?? 'jcs'), partner.key, terms) : change.signature;
  return JSON.stringify({ ...(signature === null ? {} : { signature }), header, message });
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: AnswerBody;
}

export interface AnswerBody {
  readonly signature?: string;
  readonly header?: { status: string; status_reason_code?: string; status_reason_message?: string; [name: string]: unknown };
  readonly message?: {
    readonly transaction_id?: string;
    readonly correlation_id?: string;
    readonly ack_status?: string;
    readonly error?: { code: string; message: string };
    readonly search_response?: readonly AnswerItem[];
  };
  readonly errors?: readonly { code: string; message: string; pointer?: string }[];
  readonly error?: { code: string; message: string };
}

export interface AnswerItem {
  readonly reference_id: string;
  readonly status: string;
  readonly status_reason_code?: string;
  readonly status_reason_message?: string;
  readonly data?: { readonly reg_type: string; readonly reg_record_type: string; readonly reg_records: readonly Json[] };
  readonly pagination?: { page_size: number; page_number: number; total_count: number; next_cursor?: string };
}

export async function post(
  url: string,
  token: string | undefined,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as AnswerBody };
}
