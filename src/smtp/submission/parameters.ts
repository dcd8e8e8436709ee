// Parameters of MAIL and RCPT that only submission knows: DSN (RFC 3461 §4).
import { Malformed } from '../../base/index.ts';
import { mailParameters } from '../address.ts';
import type { MailParameters, Path } from '../address.ts';

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;
const ENVID_CHARS_MAX = 100;
const ORCPT_CHARS_MAX = 500;

/** RFC 3461 §4: `+` and two hex digits for what may not stand. Throws Malformed. */
function xtext(value: string | true, name: string, charsMax: number): string {
  if (value === true || value.length > charsMax || !XTEXT.test(value)) throw new Malformed(`bad ${name}`);
  const text = value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  if (/[^\x20-\x7e]/.test(text)) throw new Malformed(`bad ${name}`);
  return text;
}

export interface SubmissionParameters extends MailParameters {
  returnFull: boolean;
  envid: string;
  unknown: string | null;
}

/** Of MAIL FROM. Throws Malformed. `AUTH=` is taken and means nothing: the log-in says who it is (RFC 4954 §5). */
export function submissionParameters(parameters: Path['parameters']): SubmissionParameters {
  const rest = new Map(parameters);
  const [ret, envid] = [rest.get('RET'), rest.get('ENVID')];
  for (const name of ['RET', 'ENVID', 'AUTH']) rest.delete(name);
  if (ret !== undefined && (ret === true || !/^(FULL|HDRS)$/i.test(ret))) throw new Malformed('bad RET');
  return { ...mailParameters(rest), returnFull: typeof ret === 'string' && ret.toUpperCase() === 'FULL', envid: envid === undefined ? '' : xtext(envid, 'ENVID', ENVID_CHARS_MAX) };
}

/** Of RCPT TO. Throws Malformed. */
export function recipientParameters(parameters: Path['parameters']): { notify: string[]; orcpt: string; unknown: string | null } {
  let notify: string[] = [];
  let orcpt = '';
  let unknown: string | null = null;
  for (const [name, value] of parameters) {
    if (name === 'NOTIFY') {
      notify = value === true ? [] : value.toUpperCase().split(',');
      const bad = notify.length === 0 || notify.some((n) => !/^(NEVER|SUCCESS|FAILURE|DELAY)$/.test(n)) || (notify.includes('NEVER') && notify.length > 1);
      if (bad) throw new Malformed('bad NOTIFY');
    } else if (name === 'ORCPT') {
      orcpt = xtext(value, 'ORCPT', ORCPT_CHARS_MAX);
      if (!/^[A-Za-z0-9-]+;./.test(orcpt)) throw new Malformed('bad ORCPT');
    } else unknown = name;
  }
  return { notify, orcpt, unknown };
}
