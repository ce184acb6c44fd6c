import { spawnSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import {
  canonicalJson,
  generateSigningKey,
  importPublicKey,
  parseEnvelope,
  publicJwk,
  readJson,
  signBytes,
  signContent,
  verifyBytes,
  verifyMessageBy,
} from '@dci/protocol';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openSignatureExecutor } from '../../src/threads/signature-executor.ts';

const started = vi.hoisted((): { workers: Worker[]; crash: boolean } => ({ workers: [], crash: false }));

// The real thread; a test may have it end instead of answering.
vi.mock('node:worker_threads', async (importOriginal) => {
  const original = await importOriginal<{ readonly Worker: typeof Worker }>();
  class RecordedWorker extends original.Worker {
    constructor(...parameters: ConstructorParameters<typeof Worker>) {
      super(...parameters);
      started.workers.push(this);
    }

    override postMessage(order: unknown): void {
      if (started.crash) void this.terminate();
      else super.postMessage(order);
    }
  }
  return { ...original, Worker: RecordedWorker };
});

const KEYS = [
  { algorithm: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'prime256v1' }) },
  { algorithm: 'EdDSA', ...generateKeyPairSync('ed25519') },
  { algorithm: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  { algorithm: 'PS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
] as const;
const [ES256, , RS256] = KEYS;

function text(index: number): Buffer {
  return Buffer.from(`content ${index} \u00e9\u0000\uffff`);
}

const executor = openSignatureExecutor();

afterAll(() => executor.close());

describe('signatures beside the main thread', () => {
  afterEach(() => {
    started.crash = false;
  });

  it.each([1, 2, 3, 8, 16, 40])('are made and verified, %i at a time, each for whom it was asked', async (count) => {
    const orders = Array.from({ length: count }, (_, index) => ({ ...(KEYS[index % KEYS.length] ?? ES256), content: text(index) }));
    const made = await Promise.all(
      orders.map(({ algorithm, privateKey, content }) => executor.sign({ algorithm, key: privateKey, content })),
    );
    const verified = orders.map(({ algorithm, publicKey, content }, index) =>
      verifyBytes({ algorithm, key: publicKey, content, signature: made[index] ?? Buffer.of() }),
    );
    expect(verified).toEqual(orders.map(() => true));

    const checks = orders.map(({ algorithm, publicKey, privateKey, content }, index) => {
      const signature = signBytes(algorithm, privateKey, index % 3 === 1 ? text(index + 1) : content);
      return { algorithm, key: publicKey, content, signature };
    });
    const outcomes = await Promise.all(checks.map((check) => executor.verify(check)));
    expect(outcomes).toEqual(checks.map((_, index) => index % 3 !== 1));
  });

  it('take no thread where they are made quickly, nor to verify one or two', async () => {
    const own = openSignatureExecutor();
    const before = started.workers.length;
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, index) => own.sign({ algorithm: 'ES256', key: ES256.privateKey, content: text(index) })),
    );
    const verify = (indexes: readonly number[]): Promise<readonly boolean[]> =>
      Promise.all(
        indexes.map((index) =>
          own.verify({ algorithm: 'ES256', key: ES256.publicKey, content: text(index), signature: made[index] ?? Buffer.of() }),
        ),
      );
    expect(await verify([0, 1])).toEqual([true, true]);
    expect(started.workers).toHaveLength(before);
    expect(await verify([2, 3, 4])).toEqual([true, true, true]);
    expect(started.workers).toHaveLength(before + 1);
    await own.sign({ algorithm: 'RS256', key: RS256.privateKey, content: text(0) });
    expect(started.workers).toHaveLength(before + 1);
    await own.close();
  });

  it.each([
    { count: 1, keys: ES256 },
    { count: 6, keys: ES256 },
    { count: 1, keys: RS256 },
    { count: 6, keys: RS256 },
  ])('that cannot be made fail alone among $count by $keys.algorithm', async ({ count, keys }) => {
    const asked = Array.from({ length: count }, (_, index) =>
      executor.sign({ algorithm: keys.algorithm, key: index === 0 ? keys.publicKey : keys.privateKey, content: text(index) }),
    );
    const outcomes = await Promise.allSettled(asked);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', ...Array.from({ length: count - 1 }, () => 'fulfilled')]);
  });

  it('are made and verified in place where the thread ends, and by another thread the next time', async () => {
    const ask = async (): Promise<readonly boolean[]> => {
      const made = await Promise.all(
        Array.from({ length: 8 }, (_, index) => executor.sign({ algorithm: 'ES256', key: ES256.privateKey, content: text(index) })),
      );
      return await Promise.all(
        made.map((signature, index) =>
          executor.verify({ algorithm: 'ES256', key: ES256.publicKey, content: text(index % 2 === 0 ? index : index + 1), signature }),
        ),
      );
    };
    const expected = [true, false, true, false, true, false, true, false];
    started.crash = true;
    expect(await ask()).toEqual(expected);
    started.crash = false;
    const before = started.workers.length;
    expect(await ask()).toEqual(expected);
    expect(started.workers.length).toBeGreaterThan(before);
  });

  it('are never taken for others, where an order cannot be handed over', async () => {
    const checks = (forged: boolean): Promise<readonly boolean[]> =>
      Promise.all(
        [1, 2, 3].map((index) => {
          const signature = signBytes('ES256', ES256.privateKey, text(forged ? index + 10 : index));
          return executor.verify({ algorithm: 'ES256', key: ES256.publicKey, content: text(index), signature });
        }),
      );
    expect(await checks(false)).toEqual([true, true, true]);
    const broken = [undefined, Symbol('content')].map((content) =>
      Promise.allSettled(
        [1, 2, 3].map(() => executor.sign({ algorithm: 'RS256', key: RS256.privateKey, content: content as unknown as Buffer })),
      ),
    );
    const together = [checks(false), checks(true), checks(false)];
    for (const outcomes of await Promise.all(broken))
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await Promise.all(together)).toEqual([
      [true, true, true],
      [false, false, false],
      [true, true, true],
    ]);
    for (const forged of [true, false, true]) expect(await checks(forged)).toEqual([!forged, !forged, !forged]);
    // A key that cannot be copied, and an answer to a batch that nobody asked for.
    const unkeyed = await Promise.allSettled(
      [1, 2, 3].map((index) =>
        executor.sign({ algorithm: 'RS256', key: (() => index) as unknown as typeof RS256.privateKey, content: text(index) }),
      ),
    );
    expect(unkeyed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await checks(true)).toEqual([false, false, false]);
    started.workers.at(-1)?.emit('message', { batch: -1, outcomes: [true, true, true] });
    expect(await checks(true)).toEqual([false, false, false]);
    expect(await checks(false)).toEqual([true, true, true]);
  });

  it('are verified by more keys than a thread keeps', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 2_500 }, async (_, index) =>
        executor.verify({
          algorithm: 'ES256',
          key: createPublicKey(ES256.privateKey),
          content: text(index),
          signature: signBytes('ES256', ES256.privateKey, text(index)),
        }),
      ),
    );
    expect(outcomes).toHaveLength(2_500);
    expect(new Set(outcomes)).toEqual(new Set([true]));
  });

  it('keep a process until they are there, and no longer', () => {
    const program = `
      const { openSignatureExecutor } = await import(${JSON.stringify(new URL('../../src/threads/signature-executor.ts', import.meta.url))});
      const { generateKeyPairSync } = await import('node:crypto');
      const { privateKey: key } = generateKeyPairSync('ed25519');
      const executor = openSignatureExecutor();
      const order = { algorithm: 'EdDSA', key, content: Buffer.from('text') };
      const made = await Promise.all(Array.from({ length: 20 }, () => executor.sign(order)));
      console.log(made.length);`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      timeout: 30_000,
    });
    expect([stdout.toString().trim(), stderr.toString(), status]).toEqual(['20', '', 0]);
  });
});

describe('a large message with a forged signature', () => {
  const key = generateSigningKey('ES256');
  const now = 1_700_000_000;
  const header = {
    version: '1.0.0',
    message_id: 'm',
    message_ts: '2023-11-14T22:13:20Z',
    action: 'search',
    sender_id: 's',
    total_count: 1,
  };
  const message = { transaction_id: 't', search_request: Array.from({ length: 5_000 }, (_, index) => ({ reference_id: `r-${index}` })) };
  const content = canonicalJson({ header, message: { ...message, transaction_id: 'another' } });
  // Its payload is compared with the message in every form before anything is verified.
  const signature = signContent(content, key, { senderId: 's', created: now, expires: now + 300, dialect: 'jws' });
  const received = readJson(JSON.stringify({ signature, header, message }));

  async function refuse(): Promise<void> {
    const envelope = parseEnvelope(received.value);
    const findKey = () => importPublicKey(publicJwk(key));
    const verified = verifyMessageBy(executor, { received, envelope, policy: 'required', findKey, now });
    await expect(verified).rejects.toMatchObject({ code: 'err.signature.invalid' });
  }

  /** Other work of the event loop that is done meanwhile, a piece a turn. */
  async function countTurns(work: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let next = setImmediate(function count() {
      turns += 1;
      next = setImmediate(count);
    });
    await work();
    clearImmediate(next);
    return turns;
  }

  it('lets other work have its turn before every step, and several of them take turns', async () => {
    expect(await countTurns(refuse)).toBeGreaterThanOrEqual(7);
    expect(await countTurns(() => Promise.all([refuse(), refuse(), refuse()]))).toBeGreaterThanOrEqual(21);
  });
});
