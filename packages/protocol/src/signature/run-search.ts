import { verifyBytes } from './algorithms.ts';
import type { SignatureExecutor } from './executor.ts';
import type { SignatureSearch } from './parsed-signature.ts';

/** Carries out what a search for a good signature asks for. */
export function runSearch<T>(search: SignatureSearch<T>): T {
  let step = search.next();
  while (step.done !== true) step = search.next(verifyBytes(step.value));
  return step.value;
}

/** The same, wherever the executor does it. */
export async function runSearchBy<T>(executor: SignatureExecutor, search: SignatureSearch<T>): Promise<T> {
  let step = search.next();
  while (step.done !== true) step = search.next(await executor.verify(step.value));
  return step.value;
}
