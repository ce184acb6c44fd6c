import { expect, it } from 'vitest';
import { readStatements } from './statements.ts';

it('has the look-ups of the server, with the parameters that the floor gives', () => {
  const { lookUp, lookUps } = readStatements('social');
  for (const { text } of [lookUp, lookUps]) expect(new Set(text.match(/\$\d+/g))).toEqual(new Set(['$1', '$2', '$3']));
  expect(lookUp.name).not.toBe(lookUps.name);
});
