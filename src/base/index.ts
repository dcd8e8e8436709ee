/**
 * base/: what every room may use and that uses nobody. Clock and chance (so that a simulation can own them), the four
 * errors, the limits, log lines, the binary encoding of stored formats, and the words of mail.
 */
export * from './admission.ts';
export * from './bytes.ts';
export * from './clock.ts';
export * from './errors.ts';
export * from './lean-http.ts';
export * from './limits.ts';
export * from './logger.ts';
export * from './mail.ts';
export * from './mail-date.ts';
export * from './networks.ts';
export * from './proxy.ts';
export * from './random.ts';
