import { createPublicKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSigningKey } from '@dci/protocol';
import { runDci } from './dci.ts';
import type { Traffic } from './messages.ts';

export type SignatureAlgorithm = 'es256' | 'ed25519';

/** A pair of keys for one run, in files of a private folder. */
export interface KeyFiles {
  readonly privatePem: string;
  readonly privateFile: string;
  readonly publicFile: string;
  remove(): void;
}

export function makeKeyFiles(algorithm: SignatureAlgorithm): KeyFiles {
  const { key } = generateSigningKey(algorithm === 'es256' ? 'ES256' : 'EdDSA');
  const privatePem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const folder = mkdtempSync(join(tmpdir(), 'dci-bench-'));
  const files = { privateFile: join(folder, 'private.pem'), publicFile: join(folder, 'public.pem') };
  writeFileSync(files.privateFile, privatePem, { mode: 0o600 });
  writeFileSync(files.publicFile, createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  return { privatePem, ...files, remove: () => rmSync(folder, { recursive: true }) };
}

const UNLIMITED = 100_000_000;

/** Registers a partner for this run, with limits that it does not reach, and gets a token for it. */
export async function registerPartner(
  environment: NodeJS.ProcessEnv,
  registry: string,
  key: KeyFiles,
  signature: 'required' | 'optional',
  further: readonly string[] = [],
): Promise<Pick<Traffic, 'senderId' | 'token' | 'key'>> {
  const senderId = `bench-${randomBytes(6).toString('hex')}`;
  const kid = 'bench';
  const limits = `points-per-minute=${UNLIMITED}`;
  const terms = [
    '--registries',
    registry,
    '--legal-basis',
    'benchmark',
    '--fields',
    'full',
    '--signature',
    signature,
    '--limits',
    limits,
    ...further,
  ];
  await runDci(environment, 'partner', 'add', '--sender-id', senderId, ...terms, '--public-key', key.publicFile, '--key-id', kid, '--json');
  const token = (await runDci(environment, 'token', '--partner', senderId)).trim();
  return { senderId, token, key: signature === 'required' ? { pem: key.privatePem, kid } : undefined };
}
