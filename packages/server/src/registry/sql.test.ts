import { DciError } from '@dci/protocol';
import { expect, it } from 'vitest';
import { createParameters } from './sql.ts';

it('refuses the search that needs more parameters than a statement can carry', () => {
  const parameters = createParameters();
  for (let number = 1; number < 60_000; number += 1) parameters.bind(number, 'bigint');
  expect(parameters.bind(60_000, 'bigint')).toBe('$60000::bigint');
  let refusal: unknown;
  try {
    parameters.bind(60_001, 'bigint');
  } catch (error) {
    refusal = error;
  }
  expect(refusal).toBeInstanceOf(DciError);
  expect(refusal).toMatchObject({ code: 'rjct.filter.invalid' });
  expect(parameters.values).toHaveLength(60_000);
});
