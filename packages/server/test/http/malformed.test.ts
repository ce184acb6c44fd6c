import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importPersons } from '../support/persons.ts';
import { type Answer, post, searchBody, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

/**
 * Whatever is wrong with a message, the server refuses it, in the form of a refusal, and goes on serving. Every message
 * here starts from questions to which the registry has no answer, so that a record in an answer means that a question was
 * half understood.
 */
let test: TestApp;
let signing: TestPartner;
let unsigned: TestPartner;
let lenient: TestPartner;
let url: string;

beforeAll(async () => {
  test = await startTestApp();
  await importPersons(test.database, 8);
  signing = await test.addPartner('signing.test');
  unsigned = await test.addPartner('unsigned.test', { signature: 'optional' });
  lenient = await test.addPartner('lenient.test', { signature: 'optional', lenient: true });
  url = `${test.base}/social/registry/sync/search`;
});
afterAll(async () => {
  expect((await fetch(`${test.app.url}/health/ready`)).status).toBe(200);
  await test.close();
});

type Json = Record<string, unknown>;

const nothing = 'no-such-value';
const QUESTIONS: Json[] = [
  { query_type: 'idtype-value', query: { type: 'UIN', value: nothing } },
  {
    query_type: 'predicate',
    query: [
      {
        seq_num: 1,
        expression1: { attribute_name: 'surname', operator: 'eq', attribute_value: nothing },
        condition: 'and',
        expression2: { attribute_name: 'given_name', operator: 'in', attribute_value: [nothing] },
      },
    ],
    sort: [{ attribute_name: 'birth_date', sort_order: 'asc' }],
    pagination: { page_size: 5, page_number: 1 },
  },
  {
    query_type: 'expression',
    response_entity: 'Group',
    query: {
      type: 'ns:org:QueryType:NoSql',
      value: { expression: { collection: 'Group', query: { $and: [{ poverty_score: { $lt: -999 } }, { surname: { $eq: nothing } }] } } },
    },
  },
];

function expectNoRecord(answer: Answer, sent: string): void {
  expect(answer.status, `${sent}\n${answer.text}`).toBeLessThan(500);
  expect(answer.text, sent).not.toMatch(/Given\d|Testé/);
  if (answer.status !== 200) expect(answer.body.errors?.[0]?.code, sent).toMatch(/^(err|rjct)\./);
  else expect(['succ', 'rjct']).toContain(answer.body.header?.status);
}

describe('malformed messages', () => {
  it('refuses every truncation of a message', async () => {
    const body = searchBody(signing, [QUESTIONS[1] as Json]);
    const lengths = Array.from({ length: body.length }, (_, length) => length);
    for (let from = 0; from < lengths.length; from += 16) {
      const answers = await Promise.all(lengths.slice(from, from + 16).map((length) => post(url, signing.token, body.slice(0, length))));
      for (const answer of answers) expect([answer.status, answer.body.error?.code]).toEqual([400, 'err.request.bad']);
    }
  });

  it('refuses or understands whatever a few changed bytes make of a message', async () => {
    const edit = fc.record({
      at: fc.nat(4_000),
      take: fc.nat(3),
      put: fc.oneof(
        fc.string({ maxLength: 3 }),
        fc.constantFrom('"', '{', '}', '[', ']', ',', ':', '\\', '0', '-', 'e', 'null', '\u0000', '\ud800', '$'),
      ),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...QUESTIONS),
        fc.constantFrom('strict', 'lenient'),
        fc.array(edit, { minLength: 1, maxLength: 3 }),
        async (question, mode, edits) => {
          const partner = mode === 'strict' ? unsigned : lenient;
          const body = edits.reduce(
            (text, { at, take, put }) => {
              const place = at % text.length;
              return text.slice(0, place) + put + text.slice(place + take);
            },
            searchBody(partner, [question], { signature: null }),
          );
          expectNoRecord(await post(url, partner.token, body), body);
        },
      ),
      { numRuns: 1_500, seed: 7 },
    );
  });

  it('refuses or understands whatever one replaced value makes of a signed message', async () => {
    const replacement = fc.oneof(
      fc.constantFrom<unknown>(
        null,
        true,
        false,
        '',
        ' ',
        0,
        -1,
        1e308,
        0.1,
        [],
        {},
        [[]],
        [null],
        { $ne: null },
        { $gt: '' },
        { $exists: true },
        { $or: [] },
        { $regex: '.*' },
        '%',
        "' or 1=1 --",
        '*',
      ),
      fc.jsonValue({ maxDepth: 3 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...QUESTIONS), fc.nat(), replacement, fc.boolean(), async (question, place, value, remove) => {
        const message = {
          search_request: [{ reference_id: '1', timestamp: new Date().toISOString(), search_criteria: structuredClone(question) }],
        };
        replaceAt(message, place, value, remove);
        const body = searchBody(signing, [question], { message });
        expectNoRecord(await post(url, signing.token, body), body);
      }),
      { numRuns: 1_000, seed: 11, examples: [[QUESTIONS[2] as Json, 3, {}, false]] },
    );
  });
});

/** Puts `value` in the place that `index` picks among all places of `root`, or takes it away. */
function replaceAt(root: object, index: number, value: unknown, remove: boolean): void {
  const places: { holder: Json; name: string }[] = [];
  const visit = (holder: Json): void => {
    for (const [name, child] of Object.entries(holder)) {
      places.push({ holder, name });
      if (typeof child === 'object' && child !== null) visit(child as Json);
    }
  };
  visit(root as Json);
  const place = places[index % places.length];
  if (place === undefined) return;
  // A condition that is negated or widened on purpose would rightly find somebody.
  if (!remove) place.holder[place.name] = value;
  else if (Array.isArray(place.holder)) place.holder.splice(Number(place.name), 1);
  else delete place.holder[place.name];
}
