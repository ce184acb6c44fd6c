import { type AnswerItem, post, searchBody, type TestApp, type TestPartner } from '../support/test-app.ts';

/** How the answer to one question leaves the server: all of its pages, from the first on. */
export type WayOut = (test: TestApp, partner: TestPartner, criteria: Readonly<Record<string, unknown>>) => Promise<AnswerItem[]>;

export const WAYS_OUT: Readonly<Record<string, WayOut>> = {
  'synchronous search': async (test, partner, criteria) => {
    const answers: AnswerItem[] = [];
    let pagination = criteria['pagination'] as Record<string, unknown> | undefined;
    for (;;) {
      const asked = pagination === undefined ? criteria : { ...criteria, pagination };
      const answer = await post(`${test.base}/social/registry/sync/search`, partner.token, searchBody(partner, [asked]));
      const item = answer.body.message?.search_response?.[0];
      if (item === undefined) throw new Error(answer.text);
      answers.push(item);
      if (item.pagination?.next_cursor === undefined) return answers;
      pagination = { page_size: item.pagination.page_size, cursor: item.pagination.next_cursor };
    }
  },
};
