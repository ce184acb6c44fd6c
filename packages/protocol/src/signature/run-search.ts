import { verifyBytes, verifyBytesInBackground } from './algorithms.ts';
import type { SignatureSearch } from './parsed-signature.ts';

/** Carries out what a search for a good signature asks for: here and now, or on threads of the pool. */
export function runSearch<T>(search: SignatureSearch<T>): T {
  let step = search.next();
  while (step.done !== true) step = search.next(verifyBytes(step.value));
  return step.value;
}

export async function runSearchInBackground<T>(search: SignatureSearch<T>): Promise<T> {
  let step = search.next();
  while (step.done !== true) step = search.next(await verifyBytesInBackground(step.value));
  return step.value;
}
