import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { sql } from 'kysely';
import { importPersons } from '../support/persons.ts';
import { type AnswerBody, post, searchBody, startTestApp } from '../support/test-app.ts';

describe('a server', () => {
  it('finishes the requests under way when it is told to stop, and takes no more', async () => {
    const test = await startTestApp();
    const [person] = await importPersons(test.database, 1);
    const partner = await test.addPartner('mis.test');
    const body = searchBody(partner, [{ query_type: 'idtype-value', query: { type: 'UIN', value: person?.uin } }]);
    const answered = new Promise<AnswerBody>((resolve, reject) => {
      const outgoing = httpRequest(`${test.base}/social/registry/sync/search`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          authorization: `Bearer ${partner.token}`,
        },
      });
      outgoing.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')) as AnswerBody));
      });
      outgoing.on('error', reject);
      // Half of the message now, the rest when the server is stopping already.
      outgoing.write(body.slice(0, 100));
      setTimeout(() => outgoing.end(body.slice(100)), 400);
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const closed = test.close();
    expect((await answered).message?.search_response?.[0]?.status).toBe('succ');
    await closed;
    await expect(fetch(`${test.app.url}/health/live`)).rejects.toThrow();
  });

  it('tells that it lives and whether it can serve', async () => {
    const test = await startTestApp();
    expect(await (await fetch(`${test.app.url}/health/live`)).json()).toEqual({ status: 'live' });
    const ready = await fetch(`${test.app.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        status: 'ready',
        checks: { database: 'ok', migrations: 'ok', key: 'ok', worker: 'ok' },
        warnings: [expect.stringContaining('DCI_KEY_ENCRYPTION_KEY'), expect.stringContaining('nobody gets in')],
      },
    ]);
    await sql`alter table kysely_migration rename to hidden`.execute(test.database.db);
    // What was found is told for a second.
    await expect
      .poll(
        async () => {
          const unready = await fetch(`${test.app.url}/health/ready`);
          return [unready.status, ((await unready.json()) as { status: string }).status];
        },
        { timeout: 5_000 },
      )
      .toEqual([503, 'not ready']);
    await test.close();
  });

  it('tells that it lives also when its limits cannot be counted', async () => {
    const test = await startTestApp();
    await sql`alter table rate_window rename to hidden`.execute(test.database.db);
    expect((await fetch(`${test.base}/.well-known/jwks.json`)).status).toBe(500);
    expect((await fetch(`${test.app.url}/health/live`)).status).toBe(200);
    expect((await fetch(`${test.app.url}/health/ready`)).status).toBe(200);
    await test.close();
  });

  it('shows its API: every mount, generated from the schemas that read the messages', async () => {
    const test = await startTestApp();
    const document = (await (await fetch(`${test.base}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, { post?: { requestBody: unknown } }>;
    };
    expect(document.openapi).toMatch(/^3\.1/);
    for (const path of ['/registry/sync/search', '/social/registry/sync/search', '/sr/registry/sync/search'])
      expect(JSON.stringify(document.paths[`${test.app.basePath}${path}`]?.post?.requestBody)).toContain('search_request');
    const page = await (await fetch(`${test.base}/docs`)).text();
    const script = /src="([^"]*swagger-ui-bundle[^"]*)"/.exec(page)?.[1] ?? '';
    const bundle = await fetch(new URL(script, `${test.base}/docs`));
    expect([bundle.status, (await bundle.text()).length > 100_000]).toEqual([200, true]);
    await test.close();
  });

  it('says which setting to change where it cannot listen', async () => {
    const test = await startTestApp();
    const port = new URL(test.app.url).port;
    await expect(startTestApp({}, { DCI_PORT: port })).rejects.toThrow('DCI_PORT');
    await test.close();
  });

  it('counts what strangers ask of it, whatever it is, and does not sign for each of them', async () => {
    const test = await startTestApp({}, { DCI_ADDRESS_LIMIT_PER_MINUTE: '30' });
    const url = `${test.base}/social/registry/sync/search`;
    const answers: { status: number; text: string }[] = [];
    // A hundred in well under a minute meet at most two windows of thirty.
    for (let count = 0; count < 100; count += 1) {
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' });
      answers.push({ status: response.status, text: await response.text() });
    }
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(40);
    expect(new Set(refused.map(({ text }) => text)).size).toBeLessThan(refused.length / 2);
    expect((await fetch(`${test.base}/nowhere`)).status).toBe(429);
    await test.close();
  });

  it('believes a proxy only where it is told to', async () => {
    const forwarded = { 'x-forwarded-for': '203.0.113.9' };
    for (const [proxies, seen] of [
      ['', '127.0.0.1'],
      ['127.0.0.0/8', '203.0.113.9'],
    ] as const) {
      const test = await startTestApp({}, { DCI_TRUSTED_PROXIES: proxies });
      const partner = await test.addPartner('mis.test');
      const body = searchBody(partner, [{ query_type: 'idtype-value', query: { type: 'UIN', value: '1' } }]);
      await post(`${test.base}/social/registry/sync/search`, partner.token, body, forwarded);
      const { rows } = await sql<{ remote_address: string }>`select remote_address from audit`.execute(test.database.db);
      expect(rows).toEqual([{ remote_address: seen }]);
      await test.close();
    }
  });

  it('tells nothing of itself where a request cannot be read', async () => {
    const test = await startTestApp();
    const badUrl = await fetch(`${test.app.url}/%zz`);
    expect([badUrl.status, await badUrl.text()]).toEqual([400, expect.not.stringContaining('%zz') as string]);
    const port = Number(new URL(test.app.url).port);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('BREW / HTTP/1.1\r\nhost: x\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 400/);
    await test.close();
  });

  it('does not wait for ever for a caller who does not read his answer', async () => {
    const test = await startTestApp();
    const page = await (await fetch(`${test.base}/docs`)).text();
    const script = /src="([^"]*swagger-ui-bundle[^"]*)"/.exec(page)?.[1] ?? '';
    const unread = await fetch(new URL(script, `${test.base}/docs`));
    expect(unread.status).toBe(200);
    await test.close();
    await expect(fetch(`${test.app.url}/health/live`)).rejects.toThrow();
  }, 30_000);
});
