import { verifyBytes } from './algorithms.ts';
import type { SignatureExecutor } from './executor.ts';
import type { SignatureSearch } from './parsed-signature.ts';

/** Carries out what a search for a good signature asks for. */
export function runSearch<T>(search: SignatureSearch<T>): T {
  let step = search.next();
  while (step.done !== true) step = search.next(step.value !== 'pause' && verifyBytes(step.value));
  return step.value;
}

/** The same, wherever the executor does it, and with its pauses. */
export async function runSearchBy<T>(executor: SignatureExecutor, search: SignatureSearch<T>): Promise<T> {
  let step = search.next();
  while (step.done !== true) step = search.next((await (step.value === 'pause' ? executor.pause() : executor.verify(step.value))) === true);
  return step.value;
}
