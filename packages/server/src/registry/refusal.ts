import { DciError } from '@dci/protocol';

/** What a search is refused with: one maker a reason code. Texts never repeat what was received. */
export const criteriaRefusal = (message: string, pointer: string): DciError =>
  new DciError('rjct.search_criteria.invalid', message, { pointer });

export const filterRefusal = (message: string, pointer: string): DciError => new DciError('rjct.filter.invalid', message, { pointer });

export const sortRefusal = (message: string, pointer: string): DciError => new DciError('rjct.sort.invalid', message, { pointer });

export const paginationRefusal = (message: string, pointer: string): DciError =>
  new DciError('rjct.pagination.invalid', message, { pointer });

export const tooManyRefusal = (message: string, pointer?: string): DciError =>
  new DciError('rjct.search.too_many_records_found', message, pointer === undefined ? {} : { pointer });
