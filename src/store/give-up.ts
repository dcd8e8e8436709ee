// A caller that ends its request by its signal gets one of the four errors like every other caller.
import { Corrupt, Malformed, Refused, Unavailable } from '../base/index.ts';

/** The signal's own reason if it is one of ours, else Unavailable. Says nothing about whether a PUT happened. */
export function gaveUp(signal: AbortSignal): Error {
  const { reason } = signal;
  if (reason instanceof Unavailable || reason instanceof Refused || reason instanceof Malformed || reason instanceof Corrupt) return reason;
  return new Unavailable('the request to the store was given up by its caller', { cause: reason });
}

/** Throws when the caller says that it is too late to send (`PutOptions.maySend`). */
export function checkMaySend(maySend: (() => boolean) | undefined): void {
  if (maySend && !maySend()) throw new Unavailable('too late to be sent to the store');
}

/** Resolves when what must be stored before (`PutOptions.after`) is; Unavailable when it can't be. */
export async function comeBefore(after: Promise<unknown>): Promise<void> {
  try {
    await after;
  } catch (e) {
    throw new Unavailable('what had to be stored before was not', { cause: e });
  }
}

/** Throws when the caller has given up already. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw gaveUp(signal);
}
