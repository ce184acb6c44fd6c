import { verifyBytes } from './algorithms.ts';
import type { SignatureSearch } from './parsed-signature.ts';

/** Carries out what a search for a good signature asks for. */
export function runSearch<T>(search: SignatureSearch<T>): T {
  let step = search.next();
  while (step.done !== true) step = search.next(verifyBytes(step.value));
  return step.value;
}
