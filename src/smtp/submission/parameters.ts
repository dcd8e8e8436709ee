// Parameters of MAIL and RCPT that only submission knows: DSN (RFC 3461 §4), FUTURERELEASE (RFC 4865), REQUIRETLS (RFC 8689).
import { BadParameter, mailParameters } from '../address.ts';
import type { MailParameters, Path } from '../address.ts';

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
const ENVID_CHARS_MAX = 100;
const ORCPT_CHARS_MAX = 500;

/** RFC 3461 §4: `+` and two hex digits for what may not stand. Throws BadParameter. */
function xtext(value: string | true, name: string, charsMax: number): string {
  if (value === true || value.length > charsMax || !XTEXT.test(value)) throw new BadParameter(`bad ${name}`);
  const text = value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (/[^\x20-\x7e]/.test(text)) throw new BadParameter(`bad ${name}`);
  return text;
}

/** An address of the type `utf-8` as it goes wherever SMTPUTF8 does not (RFC 6533 §3): `\x{FC}` for ü. */
const inAscii = (value: string): string => (/^utf-8;/i.test(value) ? value.replace(/[^\x00-\x7f]/gu, (c) => `\\x{${c.codePointAt(0)!.toString(16).toUpperCase().padStart(2, '0')}}`) : value);

export interface SubmissionParameters extends MailParameters {
  ret: '' | 'FULL' | 'HDRS';
  envid: string;
  /** REQUIRETLS was given. */
  requireTls: boolean;
  /** Not to be sent before, ms since 1970; 0: at once. */
  releaseAt: number;
  unknown: string | null;
}

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** HOLDFOR= or HOLDUNTIL= (RFC 4865 §5). Throws BadParameter. */
function releaseOf(holdFor: string | true | undefined, holdUntil: string | true | undefined, now: number, holdMsMax: number): number {
  if (holdFor === undefined && holdUntil === undefined) return 0;
  if (holdFor !== undefined && holdUntil !== undefined) throw new BadParameter('HOLDFOR and HOLDUNTIL');
  let at = NaN;
  if (typeof holdFor === 'string' && /^[1-9]\d{0,8}$/.test(holdFor)) at = now + Number(holdFor) * 1000;
  if (typeof holdUntil === 'string' && DATE_TIME.test(holdUntil)) at = Date.parse(holdUntil);
  if (Number.isNaN(at)) throw new BadParameter('bad HOLDFOR or HOLDUNTIL');
  if (at > now + holdMsMax) throw new BadParameter(`a message is held for ${Math.floor(holdMsMax / 1000)} seconds at most`);
  return at > now ? at : 0;
}

/** Throws BadParameter. */
function returned(value: string | true | undefined): SubmissionParameters['ret'] {
  if (value === undefined) return '';
  const ret = value === true ? '' : value.toUpperCase();
  if (ret !== 'FULL' && ret !== 'HDRS') throw new BadParameter('bad RET');
  return ret;
}

/** Of MAIL FROM. Throws BadParameter. `AUTH=` is taken and means nothing: the log-in says who it is (RFC 4954 §5). */
export function submissionParameters(parameters: Path['parameters'], { now, holdMsMax, secure }: { now: number; holdMsMax: number; secure: boolean }): SubmissionParameters {
  const rest = new Map(parameters);
  const [ret, envid, requireTls] = [rest.get('RET'), rest.get('ENVID'), rest.get('REQUIRETLS')];
  const releaseAt = releaseOf(rest.get('HOLDFOR'), rest.get('HOLDUNTIL'), now, holdMsMax);
  for (const name of ['RET', 'ENVID', 'AUTH', 'HOLDFOR', 'HOLDUNTIL']) rest.delete(name);
  // It is not offered in clear, so it is not known there.
  if (secure) rest.delete('REQUIRETLS');
  if (secure && requireTls !== undefined && requireTls !== true) throw new BadParameter('REQUIRETLS takes no value');
  return { ...mailParameters(rest), requireTls: secure && requireTls === true, releaseAt, ret: returned(ret), envid: envid === undefined ? '' : xtext(envid, 'ENVID', ENVID_CHARS_MAX) };
}

/** Of RCPT TO. Throws BadParameter. */
export function recipientParameters(parameters: Path['parameters']): { notify: string[]; orcpt: string; unknown: string | null } {
  let notify: string[] = [];
  let orcpt = '';
  let unknown: string | null = null;
  for (const [name, value] of parameters) {
    if (name === 'NOTIFY') {
      notify = value === true ? [] : value.toUpperCase().split(',');
      const bad = notify.length === 0 || notify.some((n) => !/^(NEVER|SUCCESS|FAILURE|DELAY)$/.test(n)) || (notify.includes('NEVER') && notify.length > 1);
      if (bad) throw new BadParameter('bad NOTIFY');
    } else if (name === 'ORCPT') {
      orcpt = xtext(value === true ? value : inAscii(value), 'ORCPT', ORCPT_CHARS_MAX);
      if (!/^[A-Za-z0-9-]+;./.test(orcpt)) throw new BadParameter('bad ORCPT');
    } else unknown = name;
  }
  return { notify, orcpt, unknown };
}
