import { describe, expect, it } from 'vitest';
import { parseSearchRequest } from './actions/search.ts';
import { readJson } from './json-text.ts';
import { normaliseLeniently } from './lenient.ts';

const now = '2024-01-15T10:30:00Z';

function normalise(received: unknown) {
  return normaliseLeniently(received, { now });
}

function normaliseItem(item: object, criteria: object = {}) {
  const received = {
    message: { search_request: [{ timestamp: now, search_criteria: { query_type: 'expression', query: {}, ...criteria }, ...item }] },
  };
  const { value, changes } = normalise(received);
  const [normalised] = (value as typeof received).message.search_request;
  return { item: normalised, criteria: normalised?.search_criteria, changes };
}

const at = '/message/search_request/0';

describe('lenient mode', () => {
  it('reads empty text in optional places as absent', () => {
    const { value, changes } = normalise({ header: { sender_uri: '', meta: '', receiver_id: '', message_id: '', total_count: 1 } });
    expect(value).toEqual({ header: { message_id: '', total_count: 1 } });
    expect(changes).toEqual([
      '/header/sender_uri: empty text read as absent',
      '/header/receiver_id: empty text read as absent',
      '/header/meta: empty text read as absent',
    ]);
    const { item, criteria } = normaliseItem(
      { locale: '', reference_id: '' },
      { consent: '', authorize: '', sort: '', response_entity: '' },
    );
    expect(item).not.toHaveProperty('locale');
    expect(item).toHaveProperty('reference_id', '');
    expect(criteria).toEqual({ query_type: 'expression', query: {} });
  });

  it('reads numbers that are text', () => {
    expect(normalise({ header: { total_count: '1' } })).toEqual({
      value: { header: { total_count: 1 } },
      changes: ['/header/total_count: text read as a number'],
    });
    const { criteria, changes } = normaliseItem({}, { pagination: { page_size: '10', page_number: '2' } });
    expect(criteria).toMatchObject({ pagination: { page_size: 10, page_number: 2 } });
    expect(changes).toHaveLength(2);
    for (const text of ['1e3', '0x10', ' 1', 'Infinity', '99999999999999999', '']) {
      expect(normalise({ header: { total_count: text } }).value).toEqual({ header: { total_count: text } });
    }
  });

  it('gives an item without timestamp the time of receipt, and never the header', () => {
    expect(normaliseItem({ timestamp: '' }).item).toMatchObject({ timestamp: now });
    expect(normaliseItem({ timestamp: undefined }).changes).toEqual([`${at}/timestamp: given the time of receipt`]);
    expect(normalise({ header: { message_ts: '' } }).value).toEqual({ header: { message_ts: '' } });
    const unsubscribe = { message: { transaction_id: 't', subscription_codes: 'code-1' } };
    expect(normalise(unsubscribe).value).toEqual({ message: { transaction_id: 't', subscription_codes: ['code-1'], timestamp: now } });
  });

  it('reads one object as a list of one', () => {
    const { value, changes } = normalise({
      message: { search_request: { timestamp: now, search_criteria: { sort: { attribute_name: 'age', sort_order: '' } } } },
    });
    expect(value).toEqual({ message: { search_request: [{ timestamp: now, search_criteria: { sort: [{ attribute_name: 'age' }] } }] } });
    expect(changes[0]).toBe('/message/search_request: read as a list of one');
    const row = { expression1: { attribute_name: 'age', operator: 'lt', attribute_value: '3' } };
    expect(normaliseItem({}, { query: row }).criteria).toEqual({ query_type: 'predicate', query: [row] });
  });

  it.each([
    ['EN/GB', 'eng'],
    ['en', 'eng'],
    ['en-GB', 'eng'],
    ['ENG', 'eng'],
    ['fr_CM', 'fra'],
    ['sw', 'swa'],
  ])('reads the locale %s as %s', (locale, code) => {
    expect(normaliseItem({ locale }).item).toMatchObject({ locale: code });
  });

  it('leaves alone what is no language', () => {
    for (const locale of ['english', 'qq', '12']) expect(normaliseItem({ locale })).toMatchObject({ item: { locale }, changes: [] });
  });

  it('reads verify and get_disability_info as search', () => {
    expect(normalise({ header: { action: 'verify' } }).value).toEqual({ header: { action: 'search' } });
    expect(normalise({ header: { action: 'get_disability_info' } }).value).toEqual({ header: { action: 'search' } });
    expect(normalise({ header: { action: 'subscribe' } })).toEqual({ value: { header: { action: 'subscribe' } }, changes: [] });
  });

  it('reads the rows of a predicate whatever they are called, with their operators by synonym', () => {
    const row = (operator: string) => ({ expression1: { attribute_name: 'age', operator, attribute_value: '3' } });
    const { criteria } = normaliseItem({}, { query: ['gte', '$lte', '$ge', 'le', '$ne', 'eq'].map(row) });
    expect(criteria).toEqual({ query_type: 'predicate', query: ['ge', 'le', 'ge', 'le', 'ne', 'eq'].map(row) });
  });

  it('keeps every expression and every condition of a row', () => {
    const expression = { attribute_name: 'age', operator: 'lt', attribute_value: '25' };
    const row = JSON.stringify(expression);
    const body = `{"message":{"transaction_id":"t","search_request":[{"reference_id":"","timestamp":"","search_criteria":
      {"query_type":"expression","query":[{"seq_num":"","expression1":${row},"condition":"and","expression2":${row},"condition":"or",
      "expression3":${row},"condition":"","expression4":""}]}}]}}`;
    const { value } = normalise(readJson(body, { keepRepeated: new Set(['condition']) }).value);
    const request = parseSearchRequest((value as { message: unknown }).message);
    expect(request.search_request[0]?.search_criteria).toEqual({
      query_type: 'predicate',
      query: [{ expression1: expression, condition: ['and', 'or'], expression2: expression, expression3: expression }],
    });
  });

  it('reads operators of an expression with or without $', () => {
    const query = (operators: object) => ({
      value: { expression: { collection: 'Group', query: { $and: [{ $or: [{ age: operators }] }] } } },
    });
    const { criteria, changes } = normaliseItem({}, { query: query({ gte: 1, $le: 5, $exists: true }) });
    expect(criteria).toMatchObject({
      query_type: 'expression',
      query: { value: { expression: { collection: 'Group', query: { $and: [{ $or: [{ age: { $gte: 1, $lte: 5, $exists: true } }] }] } } } },
    });
    expect(changes).toContain(`${at}/search_criteria/query/value/expression/query/$and/0/$or/0: operator read by synonym`);
    const twice = query({ ge: 1, $gte: 2 });
    expect(normaliseItem({}, { query: twice }).criteria).toMatchObject({
      query: { value: { expression: { query: twice.value.expression.query } } },
    });
  });

  it('normalises subscriptions, in the list and in the shorthand', () => {
    const criteria = {
      frequency: { start_time: now, end_time: '' },
      filter_type: '',
      filter: [{ seq_num: '2' }],
      notify_record_type: 'household',
    };
    const read = { frequency: { start_time: now }, filter: [{ seq_num: 2 }], notify_record_type: 'household' };
    expect(normalise({ message: { subscribe_request: { subscribe_criteria: criteria } } }).value).toEqual({
      message: { subscribe_request: [{ timestamp: now, subscribe_criteria: read }] },
    });
    expect(normalise({ message: { subscribe_criteria: criteria } }).value).toEqual({
      message: { timestamp: now, subscribe_criteria: read },
    });
  });

  it('does not change what it was given, names no values, and is its own fixed point', () => {
    const received = { header: { total_count: '1', meta: '', action: 'verify', message_id: 'm-1', sender_id: 'secret' } };
    const before = structuredClone(received);
    const { value, changes } = normalise(received);
    expect(received).toEqual(before);
    expect(changes.join()).not.toMatch(/verify|secret/);
    expect(normalise(value)).toEqual({ value, changes: [] });
  });

  it('names no place by what the sender chose', () => {
    const secret = '9000000001';
    const query = {
      [secret]: { ge: 1 },
      $and: [
        { [secret]: { le: 1 } },
        { [`$${secret}`]: [{ $or: [{ age: { lt: 1 } }] }] },
        { [`a/${secret}`]: { $or: { age: { eq: 1 } } } },
      ],
    };
    const expressions = normaliseItem({}, { query: { value: { expression: { query } } } }).changes;
    const root = `${at}/search_criteria/query/value/expression/query`;
    expect(expressions).toEqual([root, `${root}/$and/0`, `${root}/$and/1`].map((place) => `${place}: operator read by synonym`));
    const rows = [{ expression1: {}, [`expression${secret}`]: '', [secret]: '' }];
    expect(normaliseItem({ [secret]: '' }, { [secret]: '', query: rows }).changes.join()).not.toContain(secret);
  });

  it('names ten changes and counts the rest', () => {
    const { changes } = normalise({ message: { search_request: Array.from({ length: 150 }, () => ({ timestamp: '' })) } });
    expect(changes).toHaveLength(11);
    expect(changes.at(-1)).toBe('and 140 more');
  });

  it('leaves what is no message as it is', () => {
    for (const value of [null, 'text', 7, [], {}, { header: [], message: 'x' }, { message: { search_request: [1, null] } }]) {
      expect(normalise(value)).toEqual({ value, changes: [] });
    }
  });
});
