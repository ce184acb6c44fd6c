import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { sql } from 'kysely';
import { importPersons } from '../support/persons.ts';
import { type AnswerBody, searchBody, startTestApp } from '../support/test-app.ts';

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
        warnings: [expect.stringContaining('nobody gets in')],
      },
    ]);
    await sql`alter table kysely_migration rename to hidden`.execute(test.database.db);
    const unready = await fetch(`${test.app.url}/health/ready`);
    expect([unready.status, ((await unready.json()) as { status: string }).status]).toEqual([503, 'not ready']);
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
    expect(await (await fetch(`${test.base}/docs/`)).text()).toContain('swagger-ui');
    await test.close();
  });
});
