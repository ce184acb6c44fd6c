export * from './codes.ts';
export * from './dci-error.ts';
