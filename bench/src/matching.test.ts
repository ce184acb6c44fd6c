import { expect, it } from 'vitest';
import { judgePairs } from './matching.ts';

it('judges pairs by who is whose second record, and by what went wrong', () => {
  const truth = [
    { identifier: 'UIN=11', duplicate_of: 'UIN=1', mistakes: ['moved'] },
    { identifier: 'UIN=12', duplicate_of: 'UIN=2', mistakes: ['moved', 'wrong date'] },
    { identifier: 'UIN=13', duplicate_of: 'UIN=3', mistakes: ['wrong date'] },
    { identifier: 'UIN=14', duplicate_of: 'UIN=4', mistakes: ['wrong date'] },
  ];
  const { pairs, thresholds } = judgePairs(truth, [
    { probability: 0.95, records: ['UIN=1', 'UIN=11'] },
    { probability: 0.9, records: ['UIN=12', 'UIN=2'] },
    { probability: 0.99, records: ['UIN=1', 'UIN=2'] },
    { probability: 0.6, records: ['UIN=3', 'UIN=13'] },
    { probability: 0.4, records: ['UIN=4', 'UIN=14'] },
  ]);
  expect(pairs).toBe(4);
  expect(thresholds).toEqual([
    {
      least: 0.9,
      found: 3,
      right: 2,
      precision: 2 / 3,
      recall: 0.5,
      kinds: [
        { kind: 'moved', pairs: 2, found: 2, recall: 1 },
        { kind: 'wrong date', pairs: 3, found: 1, recall: 1 / 3 },
      ],
    },
    {
      least: 0.5,
      found: 4,
      right: 3,
      precision: 0.75,
      recall: 0.75,
      kinds: [
        { kind: 'moved', pairs: 2, found: 2, recall: 1 },
        { kind: 'wrong date', pairs: 3, found: 2, recall: 2 / 3 },
      ],
    },
  ]);
});
