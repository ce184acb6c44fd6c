import { sql } from 'kysely';
import { expect } from 'vitest';
import { importPersons, type Person } from '../support/persons.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/** A server with a person in it and a partner that may see that person: what a threat would get hold of. */
export interface Threatened {
  readonly test: TestApp;
  readonly person: Person;
  readonly partner: TestPartner;
  readonly url: string;
  /** The signed question for the person. */
  ask(partner?: TestPartner, change?: Parameters<typeof searchBody>[2]): string;
  send(token: string | undefined, body: string, headers?: Record<string, string>): Promise<Answer>;
  /** Refused with that status and code; nothing of the person is in the answer, and no record was disclosed by it. */
  expectRefused(answer: Answer, status: number, code: string): Promise<void>;
  close(): Promise<void>;
}

export async function threaten(environment: Record<string, string> = {}): Promise<Threatened> {
  const test = await startTestApp({}, environment);
  const [person] = (await importPersons(test.database, 1)) as [Person];
  const partner = await test.addPartner('mis.test');
  const url = `${test.base}/social/registry/sync/search`;
  const criteria = [{ query_type: 'idtype-value', query: { type: 'UIN', value: person.uin } }];
  let disclosed = 0;

  async function countDisclosed(): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select coalesce(sum(record_count), 0)::int as count from audit`.execute(test.database.db);
    return rows[0]?.count ?? -1;
  }

  return {
    test,
    person,
    partner,
    url,
    ask: (sender = partner, change = {}) => searchBody(sender, criteria, change),
    async send(token, body, headers) {
      disclosed = await countDisclosed();
      return await post(url, token, body, headers);
    },
    async expectRefused(answer, status, code) {
      expect([answer.status, answer.body.error?.code ?? answer.body.message?.error?.code]).toEqual([status, code]);
      expect(answer.text).not.toContain(person.uin);
      expect(answer.text).not.toContain(person.given);
      expect(answer.text).not.toContain('reg_records');
      expect(await countDisclosed()).toBe(disclosed);
    },
    close: () => test.close(),
  };
}
